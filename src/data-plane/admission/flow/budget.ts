/** Additional time after the longest budget until a wait ends in any case. */
const graceMs = 2_000;

/** The time bounds of one request. */
interface Bounded {
  readonly enqueuedMs: number;
  readonly ttlMs: number;
}

/**
 * The clock of waits. A request has one budget while the pool has endpoints and another one while it is empty; each
 * change between the two starts the clock again. If both are bounded, so is their sum: the longer one and two seconds.
 *
 * All times are monotonic milliseconds.
 */
export class WaitBudget {
  #noEndpointTtlMs: number;
  #isEmpty = false;
  #sinceMs = 0;

  constructor(noEndpointTtlMs: number) {
    this.#noEndpointTtlMs = noEndpointTtlMs;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  set noEndpointTtlMs(ms: number) {
    this.#noEndpointTtlMs = ms;
  }

  /** Takes note of the pool. True if it has become empty, or has endpoints again. */
  seen(isEmpty: boolean, nowMs: number): boolean {
    if (isEmpty === this.#isEmpty) return false;
    this.#isEmpty = isEmpty;
    this.#sinceMs = nowMs;
    return true;
  }

  /** The time at which the wait ends, if the pool does not change. `isAside`: no endpoint of the pool can take it. */
  dueMs({ enqueuedMs, ttlMs }: Bounded, isAside: boolean): number {
    const budgetMs = this.#isEmpty || isAside ? this.#noEndpointTtlMs : ttlMs;
    const dueMs = Math.max(enqueuedMs, this.#sinceMs) + budgetMs;
    return Math.min(dueMs, enqueuedMs + Math.max(ttlMs, this.#noEndpointTtlMs) + graceMs);
  }
}
