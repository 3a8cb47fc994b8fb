// A service worker that serves a site out of one package.
//
// `serve` registers the listeners. It must be called while the worker's script runs for the first
// time, because browsers accept no listeners later.

import { DactiError, open } from "../dacti.js";
import { defaults } from "../engine.js";
import { failure, missing } from "./answers.js";
import { HeadFetch } from "./head.js";
import { candidates } from "./paths.js";
import { precache } from "./precache.js";
import { Store } from "./store.js";
import { Views } from "./views.js";

/** The minimum time between two removals of closed pages, in milliseconds. */
const TIDY_MS = 60_000;
/** The destinations of requests that open a document inside another document. */
const INNER = new Set(["iframe", "frame", "embed", "object"]);

const DEFAULTS = {
  keys: [],
  precache: [],
  own: ["dacti-site/"],
  headers: {},
  wasm: { url: new URL("../dacti.wasm", import.meta.url).href },
  tools: { url: new URL("../codec.wasm", import.meta.url).href },
  refreshMs: 60_000,
  patienceMs: 1000,
};

/**
 * Serves the scope of this service worker out of a package.
 *
 * `options.package` is the URL of the package, relative to the worker's script. With `keys`, the
 * worker serves only regions that one of these public keys has signed. A package of another origin
 * needs keys.
 */
export function serve(options) {
  const settings = { ...DEFAULTS, ...options };
  // `true` means all regions: every path begins with the empty prefix.
  if (settings.precache === true) settings.precache = [""];
  settings.precache ||= [];
  const site = new Site(settings);
  self.addEventListener("install", (event) => event.waitUntil(site.install()));
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener("fetch", (event) => site.fetch(event));
}

class Site {
  #settings;
  #url;
  #root;
  #store;
  #views;
  #tidiedAt = -Infinity;
  #precaching;

  constructor(settings) {
    this.#settings = settings;
    this.#url = new URL(settings.package, self.location.href);
    if (this.#url.origin !== self.location.origin && settings.keys.length === 0) {
      throw new TypeError(
        `${this.#url} has another origin, whose server could send anything: give the public ` +
          "key of its publisher in `keys`",
      );
    }
    this.#root = new URL("./", self.registration?.scope ?? self.location.href);
    const name = `dacti-site ${this.#root.pathname}`;
    this.#store = new Store(name, new URL("dacti-site/-/", this.#root));
    // The reader's modules are loaded through the store, so that the reader can start offline.
    defaults.load = () => this.#module(settings.wasm);
    defaults.loadTools = () => this.#module(settings.tools);
    this.#views = new Views(this.#store, (head) => this.#open(head), settings);
  }

  /** Opens the package, from the bytes of a head if they are given. */
  async #open(head) {
    const { keys, maxBytes, maxAge, cache } = this.#settings;
    const heads = new HeadFetch(this.#url, head);
    const options = { keys, maxBytes, maxAge, cache, fetch: heads.fetch };
    const opened = await open(this.#url.href, options);
    if (opened.form !== "parts") {
      throw new TypeError(`${this.#url} is one file: a site needs a package in parts`);
    }
    // Without this check, an unsigned head with a high sequence would make this worker ignore the
    // publisher's later heads.
    if (keys.length > 0 && !opened.signer) {
      throw new DactiError("denied", `${this.#url.pathname}: no pinned key has signed the head`);
    }
    return { package: opened, head: heads.head };
  }

  /**
   * Returns the bytes of a WebAssembly module, from the store or the network. If `isFresh` is set,
   * a module without a digest is fetched again.
   */
  async #module({ url, integrity = "" }, isFresh = false) {
    const name = `wasm/${integrity || url}`;
    const kept = isFresh && !integrity ? undefined : await this.#store.bytes(name);
    if (kept) return kept;
    const answer = await fetch(new URL(url, self.location.href), { integrity });
    if (!answer.ok) {
      throw new DactiError("unavailable", `${url}: the server answers ${answer.status}`);
    }
    const bytes = new Uint8Array(await answer.arrayBuffer());
    await this.#store.put(name, bytes);
    return bytes;
  }

  /** Opens the package once, to store its head and the modules. Then activates this worker. */
  async install() {
    try {
      const { wasm, tools } = this.#settings;
      await Promise.all([wasm, tools].map((module) => this.#module(module, true)));
      await this.#views.refresh();
    } catch (error) {
      await this.#tellPages({
        dacti: "failed",
        kind: error?.kind,
        message: String(error?.message),
      });
      throw error;
    }
    await self.skipWaiting();
  }

  async #tellPages(message) {
    for (const page of await self.clients.matchAll({ includeUncontrolled: true })) {
      page.postMessage(message);
    }
  }

  /** Answers a request for a page or file of the site. The browser handles all other requests. */
  fetch(event) {
    const { request } = event;
    const url = new URL(request.url);
    const isOurs = url.origin === this.#root.origin && url.pathname.startsWith(this.#root.pathname);
    if (!isOurs || !["GET", "HEAD"].includes(request.method)) return;
    const path = url.pathname.slice(this.#root.pathname.length);
    if (this.#settings.own.some((own) => path.startsWith(own))) return;
    event.respondWith(this.#answer(event, path));
    if (request.mode === "navigate") event.waitUntil(this.#afterNavigation());
  }

  async #answer(event, path) {
    const { request } = event;
    const isPage = request.mode === "navigate";
    try {
      const view = await this.#viewOf(event);
      const answer = await this.#region(view.package, path, request);
      return this.#finished(answer, request);
    } catch (error) {
      return failure(error, isPage);
    }
  }

  /** Returns the view for a request, and remembers it for the page that the request opens. */
  async #viewOf(event) {
    const { request, clientId, resultingClientId } = event;
    const opens = request.mode === "navigate";
    let view;
    if (opens && INNER.has(request.destination)) {
      // A page and the pages inside it use the same view.
      view = clientId ? await this.#views.ofPage(clientId) : undefined;
      view ??= await this.#views.ofUrl(request.referrer);
    }
    view ??= opens ? await this.#views.forNavigation() : await this.#views.ofPage(clientId);
    if (resultingClientId) await this.#views.pin(resultingClientId, view, request.url);
    return view;
  }

  /** Finds the region for a path, and answers with it. */
  async #region(found, path, request) {
    const tried = candidates(path);
    for (const name of tried?.regions ?? []) {
      if (await found.has(name)) return found.response(name, request, { signal: request.signal });
    }
    if (tried?.folder && (await found.has(tried.folder))) {
      const { search } = new URL(request.url);
      return Response.redirect(`${new URL(`${path}/`, this.#root)}${search}`, 301);
    }
    if (!(await found.has("404.html"))) return missing();
    const page = await found.response("404.html", undefined, { signal: request.signal });
    return new Response(page.body, { status: 404, headers: page.headers });
  }

  /** Returns an answer with the header fields of the site. */
  #finished(answer, request) {
    // Answers with another status stay as they are: they have no body, or this worker made them.
    if (![200, 206, 404].includes(answer.status)) return answer;
    const headers = new Headers(answer.headers);
    // Without this field, a browser may show a new page with an old picture from its memory.
    headers.set("cache-control", "no-cache");
    headers.set("x-content-type-options", "nosniff");
    for (const [name, value] of Object.entries(this.#settings.headers)) headers.set(name, value);
    const body = request.method === "HEAD" ? null : answer.body;
    return new Response(body, { status: answer.status, headers });
  }

  async #afterNavigation() {
    if (performance.now() - this.#tidiedAt > TIDY_MS) {
      this.#tidiedAt = performance.now();
      const clients = await self.clients.matchAll({ includeUncontrolled: true, type: "all" });
      await this.#views.forgetClosed(new Set(clients.map((client) => client.id)));
    }
    if (this.#settings.precache.length > 0) await this.#precache();
  }

  /** Reads all regions, or the regions below some prefixes, to store them for offline use. */
  #precache() {
    this.#precaching ??= this.#precacheView().finally(() => {
      this.#precaching = undefined;
    });
    return this.#precaching;
  }

  async #precacheView() {
    const view = await this.#views.current();
    if (!view) return;
    await precache(view, this.#settings.precache, this.#store, (done, total) =>
      this.#tellPages({ dacti: "precached", done, total }),
    );
  }
}
