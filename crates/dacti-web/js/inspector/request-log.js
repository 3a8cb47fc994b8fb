// The log of requests that the reader sends.

/** The maximum number of requests that are kept. */
const KEPT_MAX = 5000;

/** Returns the length of an answer's body by its header fields; null if they do not state it. */
function lengthOf(answer) {
  const range = /^bytes (\d+)-(\d+)\//.exec(answer.headers.get("content-range") ?? "");
  if (range) return Number(range[2]) - Number(range[1]) + 1;
  const length = answer.headers.get("content-length");
  return length === null ? null : Number(length);
}

/** Requests with their times. The reader sends its requests through `fetch` of this log. */
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
