// Runs the reader on real packages, and returns results as plain values that the Rust test
// compares. It runs in Node and in a page.

const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");
const digest = async (bytes) => hex(await crypto.subtle.digest("SHA-256", bytes));

/** Returns the properties of an error that a program can read. */
function fault(error) {
  if (error.name !== "DactiError") return { thrown: `${error.name}: ${error.message}` };
  return { kind: error.kind, what: error.what ?? null, at: error.offset ?? null };
}

async function tried(work) {
  try {
    return await work();
  } catch (error) {
    return fault(error);
  }
}

/** Returns the digest of every region of a package, or the error of reading it. */
async function contents(pack) {
  const regions = {};
  for (const { path, id } of await pack.list()) {
    const name = path ?? id;
    regions[name] = await tried(async () => {
      const whole = await digest(await pack.get(name));
      const streamed = await digest(await new Response(await pack.stream(name)).arrayBuffer());
      return whole === streamed ? whole : "the stream differs";
    });
  }
  return regions;
}

/** Reads all packages as files. Also reads the packages in `remote` by URL. */
export async function packages({ open }, base, names, remote) {
  const found = {};
  const read = async (key, place) => {
    found[key] = await tried(async () => {
      const pack = await open(await place(), { cache: false });
      try {
        return await contents(pack);
      } finally {
        pack.close();
      }
    });
  };
  const url = (name) => new URL(name, base);
  const blob = async (name) => (await fetch(url(name))).blob();
  const work = [
    ...names.map((name) => () => read(`${name} as a file`, () => blob(name))),
    ...remote.map((name) => () => read(name, () => url(name))),
  ];
  const next = async () => {
    for (let job = work.pop(); job; job = work.pop()) await job();
  };
  await Promise.all(Array.from({ length: 24 }, next));
  return found;
}

/** Counts the requests for one region. The requests for the WebAssembly module do not count. */
export async function firstRegion({ open }, url, path) {
  // Opening an invalid package loads the module before the test starts to count.
  await open(new Blob([])).catch(() => {});
  const pack = await open(url, { cache: false });
  const start = performance.now();
  const content = await digest(await pack.get(path));
  const { requests, roundTrips } = pack.stats;
  pack.close();
  return { content, requests, roundTrips, millis: performance.now() - start };
}

/** Aborts each kind of call, before and while it waits for the network. */
export async function aborts({ open }, url, path) {
  const reason = new Error("not wanted any more");
  const outcome = (promise) => promise.then(() => "done", (error) => error === reason);
  const found = { before: {}, while: {} };
  let stopped = 0;
  // Once `hangs` is set, requests hang until they are aborted.
  let hangs = false;
  const slow = (target, init) => {
    if (!hangs) return fetch(target, init);
    return new Promise((_, reject) => {
      init.signal.addEventListener("abort", () => {
        stopped += 1;
        reject(init.signal.reason);
      });
    });
  };
  const pack = await open(url, { cache: false, fetch: slow });
  const calls = {
    get: (options) => pack.get(path, options),
    stream: async (options) => (await pack.stream(path, options)).getReader().read(),
    response: async (options) => (await pack.response(path, undefined, options)).arrayBuffer(),
    refresh: (options) => pack.refresh(options),
    open: (options) => open(url, { cache: false, fetch: slow, ...options }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const gone = new AbortController();
    gone.abort(reason);
    found.before[name] = await outcome(call({ signal: gone.signal }));
    hangs = true;
    const control = new AbortController();
    const waiting = outcome(call({ signal: control.signal }));
    setTimeout(() => control.abort(reason), 30);
    found.while[name] = await waiting;
    hangs = false;
  }
  found.stopped = stopped;
  // The package can still be read.
  found.after = await digest(await pack.get(path));
  pack.close();
  return found;
}

/** Reads from packages to which no reference remains during the read: one region, and a stream in
 * pieces. `collect` runs the garbage collector. The third package is closed before its answer. */
export async function dropped({ open }, url, path) {
  const slow = async (...request) => {
    for (let turn = 0; turn < 3; turn += 1) {
      globalThis.collect();
      await new Promise((done) => setTimeout(done, 10));
    }
    return fetch(...request);
  };
  const options = { cache: false, fetch: slow };
  const content = await digest(await (await open(url, options)).get(path));
  const stream = await (await open(url, options)).stream(path);
  const pieces = await digest(await new Response(stream).arrayBuffer());
  const pack = await open(url, options);
  const reading = pack.get(path);
  pack.close();
  const closed = await reading.then(() => "read", (error) => error.kind);
  return { content, stream: pieces, closed };
}

/** Reads all regions through a server that damages answers. The seed determines the damage. */
export async function tampered({ open }, url, seed, options = {}) {
  let state = seed >>> 0 || 1;
  const random = (limit) => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % limit;
  };
  let earlier = new Uint8Array(100);
  const ways = [
    (bytes) => { bytes[random(bytes.length)] ^= 1 << random(8); return bytes; },
    (bytes) => bytes.fill(0, random(bytes.length)),
    (bytes) => bytes.subarray(0, random(bytes.length)),
    (bytes) => { bytes.set(earlier.subarray(0, bytes.length)); return bytes; },
    () => new TextEncoder().encode("<!doctype html><title>Not found</title>"),
  ];
  const hostile = async (target, init) => {
    const answer = await fetch(target, init);
    let bytes = new Uint8Array(await answer.arrayBuffer());
    const given = bytes.slice();
    if (random(3) === 0 && bytes.length > 0) bytes = ways[random(ways.length)](bytes);
    earlier = given;
    return new Response(bytes, { status: answer.status, headers: answer.headers });
  };
  return tried(async () => {
    const pack = await open(url, { cache: false, fetch: hostile, ...options });
    try {
      return await contents(pack);
    } finally {
      pack.close();
    }
  });
}

/** Reads a region twice with a cache, and returns the cost of each read. */
export async function cached({ open }, url, path) {
  const costs = [];
  for (let n = 0; n < 2; n += 1) {
    const pack = await open(url, { cache: "test" });
    const content = await digest(await pack.get(path));
    // The cache is written after the call returns.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { requests, cacheHits } = pack.stats;
    costs.push({ content, requests, cacheHits });
    pack.close();
  }
  return costs;
}

/** Answers requests with the content of a region, like a server. */
export async function responses({ open }, url, path, size) {
  const pack = await open(url, { cache: false });
  const asked = (headers, method = "GET") => new Request(url, { headers, method });
  const shown = async (response) => ({
    status: response.status,
    type: response.headers.get("content-type"),
    length: response.headers.get("content-length"),
    range: response.headers.get("content-range"),
    body: await digest(await response.arrayBuffer()),
  });
  const plain = await pack.response(path);
  const tag = plain.headers.get("etag");
  const found = {
    plain: await shown(plain),
    head: await shown(await pack.response(path, asked({}, "HEAD"))),
    first: await shown(await pack.response(path, asked({ range: "bytes=0-9" }))),
    last: await shown(await pack.response(path, asked({ range: "bytes=-5" }))),
    open: await shown(await pack.response(path, asked({ range: `bytes=${size - 3}-` }))),
    outside: await shown(await pack.response(path, asked({ range: `bytes=${size}-` }))),
    several: await shown(await pack.response(path, asked({ range: "bytes=0-1,4-5" }))),
    same: await shown(await pack.response(path, asked({ "if-none-match": `W/${tag}` }))),
    other: await shown(await pack.response(path, asked({ "if-none-match": '"x"' }))),
    late: await shown(await pack.response(path, asked({ range: "bytes=0-9", "if-range": '"x"' }))),
    absent: await tried(() => pack.response("no such path")),
  };
  pack.close();
  return found;
}

/** Reads all regions, and returns them with the signer of the package. */
export async function packageOf({ open }, url, options) {
  return tried(async () => {
    const pack = await open(url, options);
    try {
      // If the policy refuses the head, every call fails.
      return { signer: pack.signer, contents: await contents(pack) };
    } finally {
      pack.close();
    }
  });
}

/** Opens a package with a stale head, refreshes it, and then gets the stale head again. */
export async function staleHead({ open }, url, staleUrl, path) {
  let isStale = true;
  const behind = (target, init) => fetch(isStale && target === url ? staleUrl : target, init);
  const pack = await open(url, { cache: false, fetch: behind });
  const content = async () => digest(await pack.get(path));
  const sequences = [pack.sequence];
  const stale = await content();
  const still = await pack.refresh();
  const again = await content();
  isStale = false;
  const fresh = await pack.refresh();
  const now = await content();
  sequences.push(pack.sequence);
  isStale = true;
  const back = await pack.refresh();
  const last = await content();
  pack.close();
  return { stale, still, again, fresh, content: now, sequences, back, last };
}

/** Describes a file, by its URL and as a local file. */
export async function described({ openContainer }, url) {
  const container = await openContainer(url, { cache: false });
  const blob = await (await fetch(url)).blob();
  const file = await tried(async () => (await openContainer(blob)).map());
  return { url: await container.map(), file };
}
