// The worker's memory across restarts, in Cache Storage: heads of views, and the view of each page.

/** Small values with names, in one cache of Cache Storage. */
export class Store {
  #cache;
  #base;

  /** `name` names the cache. No page may lie under the URL `base`. */
  constructor(name, base) {
    this.#cache = caches.open(name);
    this.#base = base;
  }

  #key(name) {
    return new URL(encodeURI(name), this.#base).href;
  }

  async bytes(name) {
    const found = await (await this.#cache).match(this.#key(name));
    return found && new Uint8Array(await found.arrayBuffer());
  }

  async json(name) {
    const found = await (await this.#cache).match(this.#key(name));
    return found && found.json();
  }

  async put(name, bytes) {
    await (await this.#cache).put(this.#key(name), new Response(bytes));
  }

  async putJson(name, value) {
    await this.put(name, JSON.stringify(value));
  }

  async delete(name) {
    await (await this.#cache).delete(this.#key(name));
  }

  /** Returns the names below a prefix, without the prefix. */
  async below(prefix) {
    const start = this.#key(prefix);
    const keys = await (await this.#cache).keys();
    const names = keys.map((request) => request.url).filter((url) => url.startsWith(start));
    return names.map((url) => decodeURI(url.slice(start.length)));
  }
}
