import type { Endpoint } from "../core/endpoint.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { RequestCounts } from "./request-counts.ts";
import type { CountedRequest } from "./running-view.ts";

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
  readonly #counts: Counts;
  #totalRequests = 0;
  #totalTokens = 0;

  constructor(counts: Counts) {
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
    const counted = this.#counts.sent(endpoint, tokens, nowMs);
    this.#totalRequests += 1;
    this.#totalTokens += tokens;
    return new Ticket({ endpoint, tokens, counted }, this.#counts, () => {
      this.#totalRequests -= 1;
      this.#totalTokens -= tokens;
    });
  }
}

type Counts = Pick<RequestCounts, "sent" | "started" | "finished">;

interface Counted {
  readonly endpoint: Endpoint;
  readonly tokens: number;
  /** Undefined if the endpoint has left and no slot is free. */
  readonly counted: CountedRequest | undefined;
}

/** One open request. A class, because an object of closures with a getter costs several times as much to make. */
class Ticket implements InFlightTicket {
  readonly #counts: Counts;
  readonly #tokens: number;
  readonly #released: () => void;
  #endpoint: Endpoint;
  #counted: CountedRequest | undefined;
  #isOpen = true;
  #hasStarted = false;

  constructor({ endpoint, tokens, counted }: Counted, counts: Counts, released: () => void) {
    this.#endpoint = endpoint;
    this.#tokens = tokens;
    this.#counted = counted;
    this.#counts = counts;
    this.#released = released;
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  moveTo(next: Endpoint, atMs: number): void {
    if (!this.#isOpen || next.id === this.#endpoint.id) return;
    this.#endpoint = next;
    if (this.#counted !== undefined) this.#counts.finished(this.#counted);
    this.#counted = this.#counts.sent(next, this.#tokens, atMs);
    if (this.#hasStarted && this.#counted !== undefined) this.#counts.started(this.#counted);
  }

  started(): void {
    this.#hasStarted = true;
    if (this.#isOpen && this.#counted !== undefined) this.#counts.started(this.#counted);
  }

  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#released();
    if (this.#counted !== undefined) this.#counts.finished(this.#counted);
  }
}
