// The WebAssembly module and its host: requests, timers, files and the cache.
//
// The module sends no requests. It asks this host for them through the imports below. The host
// feeds each answer back to the module, with the number of the answer's slot.

import { DactiError } from "./error.js";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Verbs of a task, as the module numbers them. */
export const OPEN = 0, GET = 1, STREAM = 2, NEXT = 3, LOCATE = 4, LIST = 5, REFRESH = 6,
  MAP = 7, GET_MANY = 8;
/** Kinds of an answer to a slot. */
const BEGUN = 0, BYTES = 1, END = 2, FAILED = 3;
/** The ways in which an exchange (a request and its answer) fails. */
const RESET = 0, TIMEOUT = 1, UNREACHABLE = 2;
/** The code that a tool returns while its module is not loaded. */
const ABSENT = 3;
/** The longest time of a JavaScript timer, in milliseconds. */
const TIMER_MAX = 0x7fffffff;
/** An origin that no server has. It is a part of the keys of the cache. */
const CACHE_ORIGIN = "https://dacti.invalid/";

/**
 * The functions that load the modules if the caller gives no module. Node and the service worker
 * replace these functions.
 */
export const defaults = {
  load: () => fetched(new URL("./dacti.wasm", import.meta.url)),
  /** Loads the decoder of Brotli and the checks of signatures. */
  loadTools: () => fetched(new URL("./codec.wasm", import.meta.url)),
  /** Loads the module that has these tools, and can also describe files. */
  loadInspector: () => fetched(new URL("./inspect.wasm", import.meta.url)),
};

const engines = new Map();

/** Returns the engine of a module. `wasm` is the module's URL, its bytes, the compiled module, or a
 * function that loads one of the modules in the npm package. */
export function engine(wasm = defaults.load) {
  const key = wasm instanceof URL ? wasm.href : wasm;
  let found = engines.get(key);
  if (!found) {
    found = load(wasm).then((module) => Engine.of(module));
    engines.set(key, found);
    // If the module could not be loaded, the next caller tries again.
    found.catch(() => engines.delete(key));
  }
  return found;
}

async function load(wasm) {
  const given = typeof wasm === "function" ? await wasm() : wasm;
  if (given instanceof WebAssembly.Module) return given;
  const bytes =
    typeof given === "string" || given instanceof URL ? await fetched(given) : given;
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new DactiError("unavailable", "the file of the reader is not a WebAssembly module, or the " +
      `page's policy lacks 'wasm-unsafe-eval': ${cause.message}`, { cause });
  }
}

async function fetched(url) {
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new DactiError("unavailable", `${url}: the reader cannot be fetched: ${cause.message}`,
      { cause });
  }
  if (!response.ok) {
    throw new DactiError("unavailable", `${url}: the reader cannot be fetched: status ` +
      `${response.status}`);
  }
  return response.arrayBuffer();
}

let tools;
let loadingTools;

/** Loads the second module, `codec.wasm`, once for all engines. */
async function loadTools() {
  loadingTools ??= load(defaults.loadTools)
    .then((module) => WebAssembly.instantiate(module))
    .then((instance) => { tools = instance.exports; });
  try {
    await loadingTools;
  } catch (error) {
    // The next call tries again.
    loadingTools = undefined;
    throw error;
  }
}

/** Copies bytes into the second module. Returns false if it has no memory for them. */
function give(...parts) {
  const at = tools.input(parts.reduce((sum, part) => sum + part.length, 0));
  if (at === 0) return false;
  let offset = at;
  for (const part of parts) {
    new Uint8Array(tools.memory.buffer, offset, part.length).set(part);
    offset += part.length;
  }
  return true;
}

/** One instance of the module. */
class Engine {
  #exports;
  #tasks = new Map();
  #clients = new Map();
  #exchanges = new Map();
  #last = 0;

  static async of(module) {
    const engine = new Engine();
    const instance = await WebAssembly.instantiate(module, { host: engine.#imports() });
    engine.#exports = instance.exports;
    return engine;
  }

  /** Registers the options of a package, and returns their number. */
  addClient(client) {
    this.#clients.set(++this.#last, client);
    return this.#last;
  }

  removeClient(number) {
    this.#clients.delete(number);
  }

  close(object) {
    this.#exports.close(object);
  }

  /** Runs a task: resolves to bytes, to a value, or to undefined at the end of a stream. */
  run(verb, object, text, { signal, start = 0, end = -1 } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const task = ++this.#last;
      const abort = () => {
        this.#tasks.delete(task);
        this.#exports.cancel(task);
        reject(signal.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      const settled = () => signal?.removeEventListener("abort", abort);
      this.#tasks.set(task, { resolve, reject, settled });
      this.#input(encoder.encode(text));
      this.#exports.start(task, verb, object, start, end);
    });
  }

  #bytes(at, length) {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  #text(at, length) {
    return decoder.decode(this.#bytes(at, length));
  }

  /** Copies bytes into the module for the next call. Returns false if it has no memory for them. */
  #input(bytes) {
    const at = this.#exports.input(bytes.length);
    if (at === 0) return false;
    this.#bytes(at, bytes.length).set(bytes);
    return true;
  }

  #feed(slot, kind, number = 0, bytes = new Uint8Array()) {
    if (this.#input(bytes)) {
      this.#exports.feed(slot, kind, number);
    } else {
      this.#exports.input(0);
      this.#exports.feed(slot, FAILED, RESET);
    }
  }

  #fail(slot, number, cause) {
    this.#exchanges.delete(slot);
    this.#feed(slot, FAILED, number, encoder.encode(cause));
  }

  #imports() {
    return {
      send: (slot, client, url, urlLength, fields, fieldsLength, first, silence, all) => {
        const lines = this.#text(fields, fieldsLength);
        this.#send(slot, client, this.#text(url, urlLength), lines, [first, silence, all]);
      },
      more: (slot) => void this.#more(slot),
      stop: (slot) => {
        const exchange = this.#exchanges.get(slot);
        this.#exchanges.delete(slot);
        exchange?.end();
      },
      sleep: (slot, millis) => {
        setTimeout(() => this.#feed(slot, END), Math.min(millis, TIMER_MAX));
      },
      blob: (slot, client, start, end) => void this.#blob(slot, client, start, end),
      cached: (slot, client, name, length, start, end) => {
        void this.#cached(slot, client, `${this.#text(name, length)}/${start}-${end}`);
      },
      keep: (client, name, length, start, end, bytes, bytesLength) => {
        const key = `${this.#text(name, length)}/${start}-${end}`;
        this.#clients.get(client)?.cache?.keep(key, this.#bytes(bytes, bytesLength).slice());
      },
      load_tools: (slot) => {
        loadTools().then(() => this.#feed(slot, END), (error) => this.#fail(slot, RESET, error.message));
      },
      brotli_open: (at, length, hasDictionary) => {
        if (!tools || !give(this.#bytes(at, length))) return 0;
        return tools.open(hasDictionary);
      },
      brotli_run: (stream, stored, storedLength, out, outLength, progress) => {
        if (!tools || stream === 0 || !give(this.#bytes(stored, storedLength))) return ABSENT;
        const code = tools.decompress(stream, outLength);
        const written = tools.written();
        this.#bytes(out, written).set(new Uint8Array(tools.memory.buffer, tools.output(), written));
        new Uint32Array(this.#exports.memory.buffer, progress, 2).set([tools.read(), written]);
        return code;
      },
      brotli_close: (stream) => tools?.close(stream),
      is_key: (key) => (tools && give(this.#bytes(key, 32)) ? tools.is_key() : ABSENT),
      is_signed: (key, signature, message, length) => {
        if (!tools) return ABSENT;
        const parts = [this.#bytes(key, 32), this.#bytes(signature, 64), this.#bytes(message, length)];
        return give(...parts) ? tools.is_signed() : ABSENT;
      },
      random: () => crypto.getRandomValues(new Uint32Array(1))[0],
      done: (task, kind, bytes, length) => this.#done(task, kind, bytes, length),
    };
  }

  #done(number, kind, bytes, length) {
    const task = this.#tasks.get(number);
    if (!task) return;
    this.#tasks.delete(number);
    task.settled();
    if (kind === 0) {
      task.resolve(this.#bytes(bytes, length).slice());
    } else if (kind === 1) {
      task.resolve(JSON.parse(this.#text(bytes, length)));
    } else if (kind === 2) {
      task.reject(DactiError.of(JSON.parse(this.#text(bytes, length))));
    } else {
      task.resolve(undefined);
    }
  }

  async #blob(slot, number, start, end) {
    const client = this.#clients.get(number);
    // The module is in the middle of calling this function, so first let that call return.
    await null;
    try {
      if (!client) throw new Error("the package was closed");
      const part = client.blob.slice(start, end);
      this.#feed(slot, BYTES, 0, new Uint8Array(await part.arrayBuffer()));
    } catch (error) {
      this.#fail(slot, RESET, String(error?.message ?? error));
    }
  }

  async #cached(slot, number, key) {
    const client = this.#clients.get(number);
    const bytes = await client?.cache?.get(key);
    if (bytes) {
      client.stats.cacheHits += 1;
      this.#feed(slot, BYTES, 0, bytes);
    } else {
      this.#feed(slot, END);
    }
  }

  async #send(slot, number, url, lines, [first, silence, all]) {
    const client = this.#clients.get(number);
    if (!client) {
      // The module is in the middle of calling this function, so first let that call return.
      await null;
      this.#fail(slot, UNREACHABLE, "the package was closed");
      return;
    }
    const exchange = new Exchange(client, silence, all);
    this.#exchanges.set(slot, exchange);
    let response;
    try {
      response = await exchange.send(url, lines, first);
    } catch (error) {
      // An exchange that was stopped needs no answer.
      if (this.#exchanges.get(slot) !== exchange) return;
      exchange.end();
      const way = exchange.isLate ? TIMEOUT : UNREACHABLE;
      this.#fail(slot, way, String(error?.cause?.message ?? error?.message ?? error));
      return;
    }
    if (this.#exchanges.get(slot) !== exchange) return;
    const redirected = response.redirected ? response.url : "";
    const text = [redirected, ...[...response.headers].map((field) => field.join(": "))];
    this.#feed(slot, BEGUN, response.status, encoder.encode(text.join("\n")));
  }

  async #more(slot) {
    const exchange = this.#exchanges.get(slot);
    if (!exchange) return;
    let piece;
    try {
      piece = await exchange.read();
    } catch (error) {
      if (this.#exchanges.get(slot) !== exchange) return;
      exchange.end();
      this.#fail(slot, exchange.isLate ? TIMEOUT : RESET, String(error?.message ?? error));
      return;
    }
    if (this.#exchanges.get(slot) !== exchange) return;
    if (piece) {
      this.#feed(slot, BYTES, 0, piece);
    } else {
      this.#exchanges.delete(slot);
      exchange.end();
      this.#feed(slot, END);
    }
  }
}

/** A request and its answer, within the times that the module allows. */
class Exchange {
  isLate = false;
  #abort = new AbortController();
  #client;
  #silence;
  #timer;
  #whole;
  #reader;
  #isOpen = true;

  constructor(client, silence, all) {
    this.#client = client;
    this.#silence = silence;
    this.#whole = this.#after(all);
    client.begin();
  }

  #after(millis) {
    return setTimeout(() => {
      this.isLate = true;
      this.#abort.abort(new Error(`no answer within ${Math.round(millis / 1000)} s`));
    }, Math.min(millis, TIMER_MAX));
  }

  async send(url, lines, first) {
    this.#timer = this.#after(first);
    const headers = new Headers(this.#client.headersFor(url));
    for (const line of lines.split("\n").filter(Boolean)) {
      const colon = line.indexOf(":");
      headers.set(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    const response = await this.#client.fetch(url, {
      headers,
      // The module decides whether bytes are fresh, so the browser must not add conditions.
      cache: "no-store",
      signal: this.#abort.signal,
    });
    clearTimeout(this.#timer);
    if (url.startsWith("https:") && response.url.startsWith("http:")) {
      throw new Error("the server redirects from https to http");
    }
    this.#reader = response.body?.getReader();
    return response;
  }

  /** Returns the next piece of the body; undefined at its end. */
  async read() {
    if (!this.#reader) return undefined;
    this.#timer = this.#after(this.#silence);
    const { done, value } = await this.#reader.read();
    clearTimeout(this.#timer);
    if (done) return undefined;
    this.#client.stats.bytes += value.length;
    return value;
  }

  /** Ends the exchange, and drops the rest of the answer. */
  end() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#whole);
    this.#abort.abort(new Error("the rest of the answer is not needed"));
    this.#client.end();
  }
}

/**
 * A cache of ranges of parts, in Cache Storage, which refuses partial answers. So each range is
 * stored as a whole answer.
 */
export class PartCache {
  #opened;

  /** Returns the cache of this name; undefined if the system has no Cache Storage. */
  static of(name) {
    if (name === false || typeof caches === "undefined") return undefined;
    const cache = new PartCache();
    cache.#opened = caches.open(name);
    cache.#opened.catch(() => {});
    return cache;
  }

  async get(key) {
    try {
      const answer = await (await this.#opened).match(CACHE_ORIGIN + key);
      return answer && new Uint8Array(await answer.arrayBuffer());
    } catch {
      // If the storage fails, the reader fetches the bytes.
      return undefined;
    }
  }

  async keep(key, bytes) {
    try {
      await (await this.#opened).put(CACHE_ORIGIN + key, new Response(bytes));
    } catch {
      // The storage is full, or the user does not allow it.
    }
  }
}
