// The head of a package as the reader fetched it, and the same head again for a later reader.
//
// A view is everything that one head leads to. So a reader that gets an old head from here reads
// the old view, whatever the server has by now.

/** Returns a `fetch` for one package. It keeps the last head that it saw as `head`. */
export class HeadFetch {
  #url;
  #kept;
  head;

  /** With `kept`, the bytes of a head, the first request for the head is answered by them. */
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
    // A query is added for the newest head, to look for parts that are missing by now.
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
