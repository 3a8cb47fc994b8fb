/** Serves a site out of one package, in a service worker. */

export interface ServeOptions {
  /** The URL of a package in parts, relative to the worker's script. One of another origin needs `keys`. */
  package: string | URL;
  /** Public keys, as `dacti key show` prints them. Then nothing is served that none of them has signed. */
  keys?: string[];
  /** Whether to fetch all regions ahead, or those whose paths begin with one of these prefixes. */
  precache?: boolean | string[];
  /** Prefixes of paths that the server answers, relative to the worker's scope; `["dacti-site/"]` by default. */
  own?: string[];
  /** Fields to add to every answer, such as a content security policy. */
  headers?: Record<string, string>;
  /** Milliseconds between two looks for a later version; 60,000 by default. */
  refreshMs?: number;
  /** How long a navigation waits for a later version, in milliseconds; 1,000 by default. */
  patienceMs?: number;
  /** The most bytes that one version of the package may fetch. */
  maxBytes?: number;
  /** Seconds for which a head is still accepted after its expiry. */
  maxAge?: number;
  /** The name of the cache of ranges in Cache Storage; "dacti" by default. */
  cache?: string;
  /** The place of `dacti.wasm`, and its digest as `integrity` of a script has it. */
  wasm?: { url: string; integrity?: string };
  /** The same for `codec.wasm`. */
  tools?: { url: string; integrity?: string };
}

/** Registers the worker's listeners. It must be called while the script runs for the first time. */
export function serve(options: ServeOptions): void;
