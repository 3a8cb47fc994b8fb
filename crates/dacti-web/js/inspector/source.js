// A file under inspection: a package, or another daicon file, from a URL or from this machine.

import { open, openContainer } from "../dacti.js";

/**
 * After an error of these kinds, the file is shown as a container, without the contents of regions.
 */
const READABLE = new Set(["unsupported", "corrupt", "truncated", "denied", "limit", "not found"]);

/** The maximum number of bytes of one read for the map. */
const BYTES_MAX = 4096;

/**
 * Opens a file. Returns the package, or the error if the file cannot be opened as a package. Also
 * returns the map of the file, and a function that reads its bytes.
 */
export async function openSource(from, keys, log, isServed) {
  const options = { keys, fetch: log.fetch, cache: false };
  let opened;
  let fault;
  try {
    opened = await open(from, options);
  } catch (error) {
    const kind = error?.kind;
    if (!READABLE.has(kind)) throw error;
    fault = error;
  }
  const map = isServed ? await served() : await described(opened, from, options);
  return { opened, fault, map, read: (start, end) => read(from, map, log, start, end) };
}

/** Returns the map that `dacti inspect --serve` made of its file. */
async function served() {
  const answer = await fetch(new URL("map.json", import.meta.url));
  if (!answer.ok) throw new Error(`the map of this file: the server answers ${answer.status}`);
  return answer.json();
}

/** Returns the map that the reader in this page makes. */
async function described(opened, from, options) {
  const container = opened ?? (await openContainer(from, options));
  try {
    return await container.map();
  } catch (error) {
    if (error?.kind !== "unavailable" || !/inspect\.wasm/.test(error.message)) throw error;
    const message =
      "`dacti inspect --serve` makes only the map of its own file: run it with this file, or use " +
      "the inspector of the npm package";
    throw new Error(message, { cause: error });
  }
}

/** Reads bytes of the file. Returns undefined if they lie in several objects. */
async function read(from, map, log, start, end) {
  const length = Math.min(end - start, BYTES_MAX);
  if (from instanceof Blob) {
    return new Uint8Array(await from.slice(start, start + length).arrayBuffer());
  }
  const object = objectAt(String(from), map, start, start + length);
  if (!object) return undefined;
  const range = `bytes=${object.start}-${object.start + length - 1}`;
  const answer = await log.fetch(object.url, { headers: { range }, cache: "no-store" });
  if (answer.status !== 206) return undefined;
  return new Uint8Array(await answer.arrayBuffer());
}

/** Returns the object that holds a range of positions: the head, a part, or the one file. */
export function objectAt(url, map, start, end) {
  if (!map.parts || end <= 65_536) return { url, start };
  const part = map.parts.list.find(({ place }) => place.at <= start && end <= place.at + place.len);
  if (!part || part.pieces > 1) return undefined;
  const name = new URL(`${map.parts.prefix}${part.digest}`, url);
  return { url: name.href, start: start - part.place.at };
}
