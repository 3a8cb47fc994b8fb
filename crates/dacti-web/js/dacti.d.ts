/** Reads dacti packages in pages, workers, Node and Deno. */

/** The kind of an error, for programs that branch on it. */
export type Kind =
  /** The bytes contradict the format, or differ from the published bytes. */
  | "corrupt"
  /** The file ends inside a structure. */
  | "truncated"
  /** The format, version or encoding is unknown, or the server does not support ranges. */
  | "unsupported"
  /** A value exceeds a limit, or the requests exceed `maxBytes`. */
  | "limit"
  /** The caller asked for something impossible. */
  | "misuse"
  /** No region has this path, or no file is at this URL. */
  | "not found"
  /** The policy refuses the bytes, or the server refuses access. */
  | "denied"
  /** A cache between server and reader is stale. */
  | "stale"
  /** The URL now leads to another file: open the package again. */
  | "replaced"
  /** The server did not answer, or refused the request temporarily. */
  | "unavailable"
  /** The system failed. */
  | "io";

export class DactiError extends Error {
  readonly kind: Kind;
  /** The path of the requested region. */
  readonly path?: string;
  /** The structure at fault, by its name in the specification. */
  readonly what?: string;
  /** Where the fault lies in the package; a string for positions past 2^53. */
  readonly offset?: number | string;
  readonly expected?: string;
  readonly found?: string;
}

export interface OpenOptions {
  /** Public keys, as `dacti key show` prints them. With keys, only content that one of them has signed is returned. */
  keys?: string[];
  /** The maximum number of bytes that the package may fetch. */
  maxBytes?: number;
  /**
   * The number of seconds for which a head is accepted after its expiry. If `maxAge` is set, the
   * expiry is checked even without keys.
   */
  maxAge?: number;
  /** The URL of a copy of the head. */
  head?: string | URL;
  /** Header fields for requests to the package's own origin. */
  headers?: HeadersInit;
  /** A function in place of `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The name of the cache of ranges in Cache Storage, "dacti" by default; false for none. */
  cache?: string | false;
  /** Aborts the opening. */
  signal?: AbortSignal;
  /** The WebAssembly module: its URL, its bytes, or the compiled module. */
  wasm?: string | URL | BufferSource | WebAssembly.Module;
  /** The larger module that `map` needs, in the same forms. It is loaded by the first `map`. */
  inspectWasm?: string | URL | BufferSource | WebAssembly.Module;
}

export interface Stats {
  /** Requests sent. */
  requests: number;
  /** Bytes of the bodies of their answers. */
  bytes: number;
  /** Ranges that were read from the cache. Each of them saved a request. */
  cacheHits: number;
  /** Requests that began while no other was in progress. */
  roundTrips: number;
}

export interface Listed {
  /** Null for a region without a path. */
  path: string | null;
  id: string;
  /** The length of the content in bytes; null if the package does not state it. */
  size: number | null;
  /** The length of the stored bytes. */
  stored: number;
  encoding: string;
  /** Where the stored bytes begin in the package. */
  offset: number;
}

export interface Located {
  path: string;
  id: string;
  offset: number;
  /** The length of the stored bytes. */
  length: number;
  encoding: string;
}

export interface Call {
  signal?: AbortSignal;
}

export interface RangeCall extends Call {
  /** The first byte of the content, 0 by default. */
  start?: number;
  /** The byte after the last one; by default the content's end. */
  end?: number;
}

/** Opens the package at a URL or in a local file. */
export function open(place: string | URL | Blob, options?: OpenOptions): Promise<Package>;

/** Returns the media type of a path by its ending. */
export function mediaType(path: string): string;

/** An open package. All reads use the view that was published when the package was opened or last refreshed. */
export class Package {
  private constructor();
  /** The URL; empty for a local file. */
  readonly url: string;
  /** The file id, in hexadecimal digits; null if the package cannot be updated in place. */
  readonly id: string | null;
  /** The number of the publication; 0 for a package in one file. */
  readonly sequence: number;
  readonly length: number;
  /**
   * The key in `keys` that has signed the package, in hexadecimal digits; null if there is none.
   */
  readonly signer: string | null;
  readonly form: "whole" | "parts";
  readonly stats: Stats;
  /** Reads a region, or a range of its content. */
  get(path: string, options?: RangeCall): Promise<Uint8Array>;
  /** Reads many regions. Regions that lie close together share requests. Each path has its own result: content or an error. */
  getMany(paths: Iterable<string>, options?: Call): Promise<(Uint8Array | DactiError)[]>;
  /** Reads a region as a stream. Each piece is verified before it is returned. */
  stream(path: string, options?: RangeCall): Promise<ReadableStream<Uint8Array>>;
  /** Answers a request with a region: 200, 206, 304 or 416, with a media type and an entity tag. */
  response(path: string, request?: Request, options?: Call): Promise<Response>;
  /** Lists the regions whose paths begin with a prefix. */
  list(prefix?: string, options?: Call): Promise<Listed[]>;
  has(path: string, options?: Call): Promise<boolean>;
  /** Finds the stored bytes of a region; null if there is none. */
  locate(path: string, options?: Call): Promise<Located | null>;
  /**
   * Changes to the view that is published now. Resolves to true if this view is later than the view
   * before.
   */
  refresh(options?: Call): Promise<boolean>;
  /** Describes the package as it is published now, as `dacti inspect --json` prints it. */
  map(options?: Call): Promise<Inspection>;
  /** Frees the memory of the package. */
  close(): void;
}

/** The object that `dacti inspect --json` prints. The project's docs/json.md describes it. */
export type Inspection = Record<string, unknown>;

/** Opens a daicon file of any format, to inspect it. */
export function openContainer(place: string | URL | Blob, options?: OpenOptions): Promise<Container>;

/** A daicon file of any format. */
export class Container {
  private constructor();
  readonly url: string;
  readonly length: number;
  readonly stats: Stats;
  map(options?: Call): Promise<Inspection>;
  close(): void;
}
