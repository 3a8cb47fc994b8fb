// The log of requests that the reader sends.

/** Requests that are kept. */
const KEPT_MAX = 5000;

/** Returns the bytes of an answer's body, as its fields tell; null if they do not. */
function lengthOf(answer) {
  const range = /^bytes (\d+)-(\d+)\//.exec(answer.headers.get("content-range") ?? "");
  if (range) return Number(range[2]) - Number(range[1]) + 1;
  const length = answer.headers.get("content-length");
  return length === null ? null : Number(length);
}

/** Requests with their times. Its `fetch` is given to the reader. */
export class RequestLog {
  requests = [];
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.fetch = (resource, options) => this.#fetch(resource, options);
  }

  get bytes() {
    return this.requests.reduce((sum, { length }) => sum + (length ?? 0), 0);
  }

  /** Forgets all requests. */
  clear() {
    this.requests.length = 0;
  }

  async #fetch(resource, options) {
    const request = new Request(resource, options);
    const logged = {
      at: performance.now(),
      url: request.url,
      range: request.headers.get("range") ?? "whole",
      status: "…",
      length: null,
      took: null,
    };
    if (this.requests.length < KEPT_MAX) this.requests.push(logged);
    this.#onChange();
    try {
      const answer = await fetch(request);
      logged.status = String(answer.status);
      logged.length = lengthOf(answer);
      return answer;
    } catch (error) {
      logged.status = error?.name === "AbortError" ? "given up" : "failed";
      throw error;
    } finally {
      logged.took = performance.now() - logged.at;
      this.#onChange();
    }
  }
}
