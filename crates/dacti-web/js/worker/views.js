// Decides from which view of the package each page of the site is served.
//
// A navigation chooses a view. Every later request of its page is served from the same view. The
// browser may end the worker between two requests, so views and pages are kept in the store.

/**
 * A page without a client is remembered for this many milliseconds after its navigation. The client
 * may not exist yet, or the browser may keep the page so that the user can return to it.
 */
const KEPT_MS = 15 * 60_000;
/** A page without a client is remembered only if it is among this many newest pages. */
const PAGES_MAX = 300;

/** Returns the name of a view: a digest of its head. */
async function nameOf(head) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", head));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The views of one package. */
export class Views {
  #store;
  #open;
  #refreshMs;
  #patienceMs;
  #opened = new Map();
  #pages = new Map();
  #current;
  #checkedAt = -Infinity;
  #check;
  #unused = new Set();

  /**
   * `open(head)` opens the package from the bytes of a head. Without an argument, it opens the
   * latest head from the network. It returns the package and the bytes of its head.
   */
  constructor(store, open, { refreshMs, patienceMs }) {
    this.#store = store;
    this.#open = open;
    this.#refreshMs = refreshMs;
    this.#patienceMs = patienceMs;
  }

  /** Returns the view for a new page. First checks for a later view, but only for a short time. */
  async forNavigation() {
    const current = await this.current();
    if (!current) return this.refresh();
    if (performance.now() - this.#checkedAt < this.#refreshMs) return current;
    // Without a connection, the pages that were visited stay readable.
    const refreshed = this.refresh().catch(() => current);
    const patience = new Promise((done) => setTimeout(done, this.#patienceMs, current));
    return Promise.race([refreshed, patience]);
  }

  /** Returns the view of a page. If the page has no view yet, the current view becomes its view. */
  async ofPage(id) {
    const page = id && (this.#pages.get(id) ?? (await this.#store.json(`page/${id}`)));
    if (page) {
      this.#pages.set(id, page);
      return this.#view(page.view);
    }
    const view = (await this.current()) ?? (await this.refresh());
    if (id) await this.pin(id, view, "");
    return view;
  }

  /** Returns the view of the newest page with this URL; undefined if no page has it. */
  async ofUrl(url) {
    const found = (await this.#kept()).filter(([, page]) => page.url === url);
    return found.length > 0 ? this.#view(found[0][1].view) : undefined;
  }

  /** Returns all remembered pages with their ids, the newest first. */
  async #kept() {
    for (const id of await this.#store.below("page/")) {
      const page = this.#pages.get(id) ?? (await this.#store.json(`page/${id}`));
      if (page) this.#pages.set(id, page);
    }
    return [...this.#pages].sort(([, a], [, b]) => b.at - a.at);
  }

  /** Remembers the view of a page. */
  async pin(id, view, url) {
    const page = { view: view.name, url, at: Date.now() };
    this.#pages.set(id, page);
    await this.#store.putJson(`page/${id}`, page);
  }

  /** Returns the current view; undefined before the first view was opened. */
  async current() {
    this.#current ??= this.#restore();
    const current = await this.#current;
    if (!current) this.#current = undefined;
    return current;
  }

  async #restore() {
    const name = await this.#store.json("current");
    // A view that can no longer be opened is ignored, such as a view that another key has signed.
    return name && this.#view(name).catch(() => undefined);
  }

  /** Asks the network for a later view. Simultaneous calls share one request. */
  refresh() {
    this.#check ??= this.#refresh().finally(() => {
      this.#check = undefined;
    });
    return this.#check;
  }

  async #refresh() {
    const current = await this.current();
    const found = await this.#open();
    this.#checkedAt = performance.now();
    // A publisher's sequence never falls, so a head with a lower sequence is stale or replayed.
    if (current && BigInt(found.package.sequence) <= BigInt(current.package.sequence)) {
      return current;
    }
    const name = await nameOf(found.head);
    const view = { name, package: found.package };
    await this.#store.put(`view/${name}`, found.head);
    await this.#store.putJson("current", name);
    this.#opened.set(name, Promise.resolve(view));
    this.#current = Promise.resolve(view);
    return view;
  }

  #view(name) {
    let view = this.#opened.get(name);
    if (!view) {
      view = this.#reopen(name);
      this.#opened.set(name, view);
      view.catch(() => this.#opened.delete(name));
    }
    return view;
  }

  async #reopen(name) {
    const head = await this.#store.bytes(`view/${name}`);
    if (!head) throw new Error("the view of this page is no longer kept: load the page again");
    return { name, package: (await this.#open(head)).package };
  }

  /** Forgets closed pages, and views that no page uses. `open` has the ids of the open clients. */
  async forgetClosed(open) {
    const used = new Set([(await this.current())?.name]);
    for (const [at, [id, page]] of (await this.#kept()).entries()) {
      if (open.has(id) || (at < PAGES_MAX && Date.now() - page.at < KEPT_MS)) {
        used.add(page.view);
      } else {
        this.#pages.delete(id);
        await this.#store.delete(`page/${id}`);
      }
    }
    // A page may be about to use a view that looks unused, so a view is deleted only when it looks
    // unused for the second time.
    const unused = (await this.#store.below("view/")).filter((name) => !used.has(name));
    for (const name of unused.filter((name) => this.#unused.has(name))) {
      this.#opened.delete(name);
      await this.#store.delete(`view/${name}`);
    }
    this.#unused = new Set(unused);
  }
}
