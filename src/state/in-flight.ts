import type { Endpoint } from "../core/endpoint.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { RequestCounts } from "./request-counts.ts";

/** One request that is on its way to, or runs on, an endpoint. */
export interface InFlightTicket {
  /** The endpoint that it counts for. */
  readonly endpoint: Endpoint;
  /**
   * Counts the request at another endpoint that serves it, with its progress. `nowMs`: monotonic.
   */
  moveTo(endpoint: Endpoint, nowMs: number): void;
  /** The answer has begun. Only the first call counts. */
  started(): void;
  /** The request has finished, failed or been given up. Only the first call counts. */
  release(): void;
}

/** Moves a request's count along with its answer. */
export function countedFollower(ticket: InFlightTicket): RequestFollower {
  return {
    responseHead({ served }, atMs) {
      if (served !== undefined) ticket.moveTo(served, atMs);
      return undefined;
    },
    firstToken: () => ticket.started(),
    ended: () => ticket.release(),
  };
}

/**
 * Requests that were sent and have not finished, per endpoint in the load columns.
 *
 * At any time the columns, including those of endpoints that left, add up to the open tickets.
 */
export class InFlightLedger {
  readonly #counts: Pick<RequestCounts, "sent" | "started" | "finished">;
  #totalRequests = 0;
  #totalTokens = 0;

  constructor(counts: Pick<RequestCounts, "sent" | "started" | "finished">) {
    this.#counts = counts;
  }

  get totalRequests(): number {
    return this.#totalRequests;
  }

  get totalTokens(): number {
    return this.#totalTokens;
  }

  /** Counts a request at once, so that the next decision of a burst sees it. `nowMs`: monotonic. */
  open(endpoint: Endpoint, promptTokens: number, nowMs: number): InFlightTicket {
    // Integers up to 2^53 add and subtract exactly. Any other count would leave a remainder in the
    // column, or NaN for good.
    const tokens = promptTokens > 0 ? Math.min(Math.round(promptTokens), 2 ** 32) : 0;
    let current = endpoint;
    let counted = this.#counts.sent(endpoint, tokens, nowMs);
    this.#totalRequests += 1;
    this.#totalTokens += tokens;
    let isOpen = true;
    let hasStarted = false;
    return {
      get endpoint() {
        return current;
      },
      moveTo: (next, atMs) => {
        if (!isOpen || next.id === current.id) return;
        current = next;
        if (counted !== undefined) this.#counts.finished(counted);
        counted = this.#counts.sent(next, tokens, atMs);
        if (hasStarted && counted !== undefined) this.#counts.started(counted);
      },
      started: () => {
        hasStarted = true;
        if (isOpen && counted !== undefined) this.#counts.started(counted);
      },
      release: () => {
        if (!isOpen) return;
        isOpen = false;
        this.#totalRequests -= 1;
        this.#totalTokens -= tokens;
        if (counted !== undefined) this.#counts.finished(counted);
      },
    };
  }
}
