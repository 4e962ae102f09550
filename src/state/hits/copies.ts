import { fadedTo } from "./block-sample.ts";

/** Times its fair share of the pool's prompts that one endpoint may have. */
const overShare = 1.25;

/** Requests for each endpoint that count in addition, so that the first requests do not look like all of the traffic. */
const assumedRequests = 8;

/**
 * Number of endpoints that have to hold a block, because one would have too large a share of the work:
 *
 *     copies = ceil(endpoints x share / 1.25)   at least 1, at most all endpoints
 *
 * where `share` is the share of prompt tokens whose prompt has the block, over the last ten minutes or so.
 */
export class Copies {
  #endpoints = 1;
  #tokens = 0;
  #requests = 0;
  #atMs = 0;

  /** Notes a request for one of so many endpoints. */
  note(tokens: number, endpoints: number, nowMs: number): void {
    const fade = fadedTo(nowMs - this.#atMs);
    this.#tokens = this.#tokens * fade + tokens;
    this.#requests = this.#requests * fade + 1;
    this.#atMs = nowMs;
    this.#endpoints = Math.max(1, endpoints);
  }

  /** `workTokens`: prompt tokens of the requests with the block. */
  readonly of = (workTokens: number): number => {
    const endpoints = this.#endpoints;
    const mean = this.#requests === 0 ? 0 : this.#tokens / this.#requests;
    const share = workTokens / (this.#tokens + assumedRequests * endpoints * mean);
    const wanted = Math.ceil((endpoints * share) / overShare);
    return Math.min(endpoints, Math.max(1, wanted));
  };
}
