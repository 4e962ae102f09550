import type { Clock } from "../../../std/clock.ts";

export interface RetryBudgetOptions {
  /** Retries for each request of the last ten seconds. */
  readonly ratio: number;
  /** Retries in ten seconds that are always allowed. */
  readonly floor: number;
}

const slotMs = 1_000;
const slotCount = 10;

/** Part of the budget that hedges may use. */
const hedgeShare = 0.5;

/**
 * Bounds retries and hedges by a share of the requests of the last ten seconds, so that retries never multiply an outage. The window
 * is a ring of one-second counts.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #requests = new Float64Array(slotCount);
  readonly #retries = new Float64Array(slotCount);
  #second = 0;
  #requestsTotal = 0;
  #retriesTotal = 0;

  constructor(options: RetryBudgetOptions, clock: Pick<Clock, "nowMs">) {
    this.#options = options;
    this.#clock = clock;
  }

  noteRequest(): void {
    const slot = this.#slot();
    this.#requests[slot] = (this.#requests[slot] ?? 0) + 1;
    this.#requestsTotal += 1;
  }

  /** True if a retry is within the budget. */
  get allows(): boolean {
    this.#slot();
    const { ratio, floor } = this.#options;
    return this.#retriesTotal < Math.max(floor, ratio * this.#requestsTotal);
  }

  /** True if a hedge is within its part of the budget: the rest is left for requests that would fail without a retry. */
  get allowsHedge(): boolean {
    this.#slot();
    const { ratio, floor } = this.#options;
    return this.#retriesTotal < hedgeShare * Math.max(floor, ratio * this.#requestsTotal);
  }

  noteRetry(): void {
    const slot = this.#slot();
    this.#retries[slot] = (this.#retries[slot] ?? 0) + 1;
    this.#retriesTotal += 1;
  }

  /** The place of this second, after those that are over were emptied. */
  #slot(): number {
    const second = Math.floor(this.#clock.nowMs() / slotMs);
    const passed = Math.min(second - this.#second, slotCount);
    for (let step = 1; step <= passed; step += 1) {
      const slot = (this.#second + step) % slotCount;
      this.#requestsTotal -= this.#requests[slot] ?? 0;
      this.#retriesTotal -= this.#retries[slot] ?? 0;
      this.#requests[slot] = 0;
      this.#retries[slot] = 0;
    }
    this.#second = second;
    return second % slotCount;
  }
}
