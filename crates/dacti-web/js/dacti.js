// Reads dacti packages in pages, workers, Node and Deno.

import {
  engine, defaults, PartCache, OPEN, GET, STREAM, NEXT, LOCATE, LIST, REFRESH, MAP,
  GET_MANY,
} from "./engine.js";
import { DactiError } from "./error.js";
import { mediaType } from "./media.js";

export { DactiError, mediaType };

/** The minimum number of stored bytes of a region whose response is streamed. */
const STREAM_FROM = 1 << 20;

/** Opens the package at a URL or in a `Blob`. */
export async function open(place, options = {}) {
  const module = await engine(options.wasm);
  options.signal?.throwIfAborted();
  const client = new Client(place, options);
  const number = module.addClient(client);
  try {
    const info = await module.run(OPEN, number, client.text(), { signal: options.signal });
    return new Package(module, number, client, info);
  } catch (error) {
    module.removeClient(number);
    throw error;
  }
}

/** Opens a daicon file of any format, to inspect it. Reads the file once, before it returns. */
export async function openContainer(place, options = {}) {
  const client = new Client(place, options);
  return new Container(client, await described(client, options.signal));
}

/** Returns the description of a file. Only the inspector's module can make it. */
async function described(client, signal) {
  const module = await engine(client.inspector ?? defaults.loadInspector);
  signal?.throwIfAborted();
  const number = module.addClient(client);
  try {
    return await module.run(MAP, number, client.text(), { signal });
  } finally {
    module.removeClient(number);
  }
}

/** A daicon file of any format. */
export class Container {
  #client;
  #map;

  constructor(client, map) {
    this.#client = client;
    this.#map = map;
  }

  get url() { return this.#client.url; }
  get length() { return this.#map.length; }
  get stats() { return { ...this.#client.stats }; }

  /** Returns the description of the file, as `dacti inspect --json` prints it. */
  async map() {
    return this.#map;
  }

  close() {}
}

const seconds = () => Math.floor(Date.now() / 1000);

/** The options of an open package, and the counts of its requests and bytes. */
class Client {
  stats = { requests: 0, bytes: 0, cacheHits: 0, roundTrips: 0 };
  #options;
  #origin;
  #pending = 0;

  constructor(place, options) {
    const isBlob = typeof Blob !== "undefined" && place instanceof Blob;
    const keys = options.keys ?? [];
    if (!Array.isArray(keys) || keys.some((key) => typeof key !== "string")) {
      throw new DactiError("misuse", "`keys` must be an array of texts, as `dacti key show` prints them");
    }
    this.#options = options;
    this.keys = keys;
    this.inspector = options.inspectWasm;
    this.blob = isBlob ? place : undefined;
    this.url = isBlob ? "" : absolute(place).href;
    this.head = options.head === undefined ? "" : absolute(options.head).href;
    this.cache = isBlob ? undefined : PartCache.of(options.cache ?? "dacti");
    this.#origin = isBlob ? "" : new URL(this.url).origin;
  }

  /** Returns the options in the form that the module reads. */
  text() {
    const { maxBytes = "", maxAge = "" } = this.#options;
    const cached = this.cache ? 1 : 0;
    const fields = [this.url, this.head, maxBytes, maxAge, seconds(), cached, this.blob?.size ?? ""];
    return [...fields, ...this.keys].join("\0");
  }

  fetch(url, init) {
    return (this.#options.fetch ?? fetch)(url, init);
  }

  /** Returns the caller's header fields for a URL of the package's origin. Other origins get none,
   * because the fields may be secrets. */
  headersFor(url) {
    return new URL(url).origin === this.#origin ? this.#options.headers : undefined;
  }

  begin() {
    this.stats.requests += 1;
    if (this.#pending === 0) this.stats.roundTrips += 1;
    this.#pending += 1;
  }

  end() {
    this.#pending -= 1;
  }
}

function absolute(place) {
  let url;
  try {
    url = new URL(place, globalThis.location?.href);
  } catch (cause) {
    throw new DactiError("misuse", `${place} is not a URL`, { cause });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new DactiError("misuse", `${place} is neither an http or https URL nor a Blob`);
  }
  return url;
}

/** Frees the memory of packages that were dropped without being closed. */
const dropped = new FinalizationRegistry(({ module, number, client }) => {
  module.close(number);
  module.removeClient(client);
});

/** An open package. */
export class Package {
  #module;
  #number;
  #clientNumber;
  #client;
  #info;
  #running = 0;

  constructor(module, clientNumber, client, info) {
    this.#module = module;
    this.#number = info.package;
    this.#clientNumber = clientNumber;
    this.#client = client;
    this.#info = info;
    dropped.register(this, { module, number: info.package, client: clientNumber }, this);
  }

  get url() { return this.#client.url; }
  get id() { return this.#info.id; }
  get sequence() { return this.#info.sequence; }
  get length() { return this.#info.length; }
  get signer() { return this.#info.signer; }
  get form() { return this.#info.form; }
  get stats() { return { ...this.#client.stats }; }

  /** Runs a task. The line after the task uses the package, so the garbage collector keeps the
   * package until then, even if no other reference to it remains. */
  async #run(verb, text, options, object = this.#number) {
    this.#running += 1;
    try {
      return await this.#module.run(verb, object, text, options);
    } finally {
      this.#running -= 1;
    }
  }

  /** Reads a region, whole or from `start` to `end`. */
  get(path, { signal, start, end } = {}) {
    const range = start === undefined && end === undefined ? {} : { start: start ?? 0, end: end ?? Infinity };
    if (range.end < range.start) {
      return Promise.reject(new DactiError("misuse", `the range ends at ${end}, before it starts`, { path }));
    }
    return this.#run(GET, String(path), { signal, ...range });
  }

  /** Reads many regions. Regions that lie close together share requests. Each path has its own
   * result: the content, or the error. */
  async getMany(paths, { signal } = {}) {
    const names = [...paths].map(String);
    if (names.length === 0) return [];
    const wrong = names.find((name) => name.includes("\0"));
    if (wrong !== undefined) throw new DactiError("misuse", "a path cannot contain NUL", { path: wrong });
    const bytes = await this.#run(GET_MANY, names.join("\0"), { signal });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    let at = 0;
    return names.map(() => {
      const [mark, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      const part = bytes.subarray(at + 8, at + 8 + length);
      at += 8 + length;
      return mark === 0 ? part : DactiError.of(JSON.parse(new TextDecoder().decode(part)));
    });
  }

  /** Reads a region as a stream. Each piece is verified before it is returned. */
  async stream(path, { signal, start = 0, end = Infinity } = {}) {
    const module = this.#module;
    const number = await this.#run(STREAM, String(path), { signal });
    const next = () => this.#run(NEXT, "", { signal }, number);
    let at = 0;
    return new ReadableStream({
      async pull(controller) {
        for (;;) {
          let piece;
          try {
            piece = at < end ? await next() : undefined;
          } catch (error) {
            module.close(number);
            throw error;
          }
          if (!piece) {
            module.close(number);
            controller.close();
            return;
          }
          const from = at;
          at += piece.length;
          const wanted = piece.subarray(Math.max(start - from, 0), Math.max(end - from, 0));
          if (wanted.length > 0) {
            controller.enqueue(wanted);
            return;
          }
        }
      },
      cancel() {
        module.close(number);
      },
    }, { highWaterMark: 0 });
  }

  /** Answers a request with a region, as a server would. */
  async response(path, request, { signal } = {}) {
    const found = await this.locate(path, { signal });
    if (!found) throw new DactiError("not found", `there is no region ${JSON.stringify(path)}`, { path });
    const asked = new Headers(request?.headers);
    const isHead = request?.method === "HEAD";
    const headers = new Headers({
      "accept-ranges": "bytes",
      "content-type": mediaType(path),
      "x-content-type-options": "nosniff",
    });
    const tag = this.id && `"${this.id}-${found.offset.toString(16)}"`;
    if (tag) headers.set("etag", tag);
    if (tag && matches(asked.get("if-none-match"), tag)) {
      return new Response(null, { status: 304, headers });
    }
    const ifRange = asked.get("if-range");
    const range = ifRange === null || ifRange === tag ? asked.get("range") : null;
    return this.#body(path, found, headers, { isHead, range, signal });
  }

  async #body(path, found, headers, { isHead, range, signal }) {
    const isStored = found.encoding === "none";
    if (!range && found.length >= STREAM_FROM) {
      if (isStored) headers.set("content-length", found.length);
      return new Response(isHead ? null : await this.stream(path, { signal }), { headers });
    }
    // The length of encoded content is known only after decoding.
    const whole = isStored ? undefined : await this.get(path, { signal });
    const size = whole?.length ?? found.length;
    const span = range ? parsedRange(range, size) : undefined;
    if (span === null) {
      headers.set("content-range", `bytes */${size}`);
      return new Response(null, { status: 416, headers });
    }
    const { start, end } = span ?? { start: 0, end: size };
    headers.set("content-length", end - start);
    if (span) headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
    const status = span ? 206 : 200;
    if (isHead) return new Response(null, { status, headers });
    const wanted = span ? { signal, start, end } : { signal };
    const bytes = whole?.subarray(start, end) ?? await this.get(path, wanted);
    return new Response(bytes, { status, headers });
  }

  /** Lists the regions whose paths begin with a prefix. */
  list(prefix = "", { signal } = {}) {
    return this.#run(LIST, prefix, { signal });
  }

  /** Tells whether the package has a region with this path. */
  async has(path, options) {
    return (await this.locate(path, options)) !== null;
  }

  /** Finds the stored bytes of a region; null if there is none. */
  locate(path, { signal } = {}) {
    return this.#run(LOCATE, String(path), { signal });
  }

  /** Changes to the view that is published now. Returns whether that view is later. */
  async refresh({ signal } = {}) {
    const now = seconds();
    const info = await this.#run(REFRESH, "", { signal, start: now, end: now });
    if (info) this.#info = info;
    return info !== null;
  }

  /** Describes the package as it is published now, as `dacti inspect --json` prints it. */
  map({ signal } = {}) {
    return described(this.#client, signal);
  }

  /** Frees the memory of the package, which cannot be used afterwards. */
  close() {
    dropped.unregister(this);
    this.#module.close(this.#number);
    this.#module.removeClient(this.#clientNumber);
  }
}

function matches(field, tag) {
  if (field === null) return false;
  const tags = field.split(",").map((given) => given.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(tag);
}

/** Returns the span of a `Range` field; undefined if the field must be ignored, and null if the
 * range lies outside of the content. */
function parsedRange(field, size) {
  const parts = /^bytes=(\d*)-(\d*)$/.exec(field.trim());
  if (!parts || (parts[1] === "" && parts[2] === "")) return undefined;
  const last = size - 1;
  if (parts[1] === "") {
    const length = Math.min(Number(parts[2]), size);
    return length === 0 ? null : { start: size - length, end: size };
  }
  const start = Number(parts[1]);
  const end = parts[2] === "" ? last : Math.min(Number(parts[2]), last);
  if (parts[2] !== "" && Number(parts[2]) < start) return undefined;
  return start > last ? null : { start, end: end + 1 };
}
