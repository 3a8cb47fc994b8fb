// Remembers the head that a reader fetched, and answers a later reader with the same head.
//
// A view is everything that one head leads to. So a reader that is given an old head reads the old
// view, even if the server has a newer head.

/** A `fetch` for one package. `head` holds the last head that it returned. */
export class HeadFetch {
  #url;
  #kept;
  head;

  /** `kept` is undefined or the bytes of a head, which answer requests for the package's URL. */
  constructor(url, kept) {
    this.#url = new URL(url);
    this.#kept = kept;
    this.head = kept;
    this.fetch = (resource, options) => this.#fetch(new Request(resource, options));
  }

  async #fetch(request) {
    const url = new URL(request.url);
    const isHead = url.origin === this.#url.origin && url.pathname === this.#url.pathname;
    if (!isHead) return fetch(request);
    // The kept head answers only requests for the exact URL. A reader that misses parts of the old
    // view asks for the newest head, with another query.
    if (this.#kept && url.search === this.#url.search) return this.#again();
    const answer = await fetch(request);
    if (answer.ok && !this.#kept) this.head = new Uint8Array(await answer.clone().arrayBuffer());
    return answer;
  }

  #again() {
    const { length } = this.#kept;
    const headers = {
      "content-range": `bytes 0-${length - 1}/${length}`,
      "content-length": String(length),
    };
    return new Response(this.#kept, { status: 206, headers });
  }
}
