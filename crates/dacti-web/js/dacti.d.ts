/** Reads dacti packages in pages, workers, Node and Deno. */

/** What went wrong, for programs that branch on it. */
export type Kind =
  /** The bytes contradict the format, or are not the published ones. */
  | "corrupt"
  /** The file ends before a structure does. */
  | "truncated"
  /** Well-formed, but of an unknown format, version or encoding; or a server without ranges. */
  | "unsupported"
  /** Larger than a limit, or more than `maxBytes`. */
  | "limit"
  /** The caller asked for something impossible. */
  | "misuse"
  /** There is no such region, or no file at the URL. */
  | "not found"
  /** The policy refuses the bytes, or the server refuses access. */
  | "denied"
  /** A cache on the way serves old bytes. */
  | "stale"
  /** Another file has taken the package's place: open it anew. */
  | "replaced"
  /** The server did not answer, or refused for the moment. */
  | "unavailable"
  /** The system failed. */
  | "io";

export class DactiError extends Error {
  readonly kind: Kind;
  /** The region that was asked for. */
  readonly path?: string;
  /** The structure at fault, by its name in the specification. */
  readonly what?: string;
  /** Where the fault lies in the package; a string for positions past 2^53. */
  readonly offset?: number | string;
  readonly expected?: string;
  readonly found?: string;
}

export interface OpenOptions {
  /** Public keys, as `dacti key show` prints them. Then nothing is handed out that none of them has signed. */
  keys?: string[];
  /** The most bytes that the package may fetch. */
  maxBytes?: number;
  /** Seconds for which a head is still accepted after its expiry. Given without keys, the expiry is checked too. */
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
  /** Ranges that the cache had, each instead of a request. */
  cacheHits: number;
  /** Requests that began while no other was in progress. */
  roundTrips: number;
}

export interface Listed {
  /** Null for a region without a path. */
  path: string | null;
  id: string;
  /** The length of the content in bytes; null if the package does not tell. */
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

/** An open package. All reads take the view that was published when it was opened or refreshed. */
export class Package {
  private constructor();
  /** The URL; empty for a local file. */
  readonly url: string;
  /** The id of the file, in hexadecimal digits; null if the package cannot be updated in place. */
  readonly id: string | null;
  /** The number of the publication; 0 for a package in one file. */
  readonly sequence: number;
  readonly length: number;
  /** The key that vouches for the package, one of `keys`, in hexadecimal digits. */
  readonly signer: string | null;
  readonly form: "whole" | "parts";
  readonly stats: Stats;
  /** Reads a region, or a range of its content. */
  get(path: string, options?: RangeCall): Promise<Uint8Array>;
  /** Reads many regions, of which neighbours share requests. Each has a result of its own. */
  getMany(paths: Iterable<string>, options?: Call): Promise<(Uint8Array | DactiError)[]>;
  /** Reads a region as a stream. Its pieces are verified before they are handed out. */
  stream(path: string, options?: RangeCall): Promise<ReadableStream<Uint8Array>>;
  /** Answers a request with a region: 200, 206, 304 or 416, with a media type and an entity tag. */
  response(path: string, request?: Request, options?: Call): Promise<Response>;
  /** Lists the regions whose paths begin with a prefix. */
  list(prefix?: string, options?: Call): Promise<Listed[]>;
  has(path: string, options?: Call): Promise<boolean>;
  /** Finds the stored bytes of a region; null if there is none. */
  locate(path: string, options?: Call): Promise<Located | null>;
  /** Takes the view that is published now; true if it is a later one. */
  refresh(options?: Call): Promise<boolean>;
  /** Describes the package as it is published now, as `dacti inspect --json` prints it. */
  map(options?: Call): Promise<Inspection>;
  /** Gives the memory of the package back. */
  close(): void;
}

/** The object of `dacti inspect --json`, which docs/json.md of the project describes. */
export type Inspection = Record<string, unknown>;

/** Opens a daicon file of any format, to look at it. */
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
