/** Serves a site out of one package, in a service worker. */

export interface ServeOptions {
  /** The URL of a package in parts, relative to the worker's script. A package of another origin needs `keys`. */
  package: string | URL;
  /** Public keys, as `dacti key show` prints them. With keys, only regions that one of them has signed are served. */
  keys?: string[];
  /**
   * If true, all regions are fetched ahead of time. If prefixes are given, only regions whose paths
   * begin with one of them are fetched ahead of time.
   */
  precache?: boolean | string[];
  /** Prefixes of paths that the server answers instead of the worker, relative to the worker's scope; `["dacti-site/"]` by default. */
  own?: string[];
  /** Header fields to add to answers of status 200, 206 and 404, such as a content security policy. */
  headers?: Record<string, string>;
  /** The minimum time between two checks for a later version, in milliseconds; 60,000 by default. */
  refreshMs?: number;
  /**
   * The maximum time that a navigation waits for a check for a later version, in milliseconds;
   * 1,000 by default.
   */
  patienceMs?: number;
  /** The maximum number of bytes that one version of the package may fetch. */
  maxBytes?: number;
  /** Seconds for which a head is still accepted after its expiry. */
  maxAge?: number;
  /** The name of the cache of ranges in Cache Storage; "dacti" by default. */
  cache?: string;
  /** The URL of `dacti.wasm`, and its digest in the form of a script's `integrity` attribute. */
  wasm?: { url: string; integrity?: string };
  /** The URL of `codec.wasm`, and its digest in the same form. */
  tools?: { url: string; integrity?: string };
}

/** Registers the worker's listeners. It must be called while the script runs for the first time. */
export function serve(options: ServeOptions): void;
