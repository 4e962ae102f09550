/** Milliseconds between two measurements. */
const intervalMs = 100;

/** Milliseconds after which a measurement says nothing about the present. */
const staleMs = 5_000;

/**
 * Time that messages wait on their way, from the round trips of probes that wait behind them. The shortest round trip
 * stands for the way itself.
 */
export class RoundTrips {
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #lastMs = 0;
  #beforeMs = 0;
  #shortestMs = Number.POSITIVE_INFINITY;

  /** True if a probe is to be sent now. */
  isDue(nowMs: number): boolean {
    if (nowMs - this.#sentAtMs < intervalMs) return false;
    this.#sentAtMs = nowMs;
    return true;
  }

  /** Takes the answer to a probe. */
  answered(tookMs: number, nowMs: number): void {
    this.#answeredAtMs = nowMs;
    this.#beforeMs = this.#lastMs;
    this.#lastMs = tookMs;
    this.#shortestMs = Math.min(this.#shortestMs, tookMs);
  }

  /** By the shorter one of the last two round trips, so that a single pause does not count. */
  delayMs(nowMs: number): number {
    if (nowMs - this.#answeredAtMs > staleMs) return 0;
    return Math.max(Math.min(this.#lastMs, this.#beforeMs) - this.#shortestMs, 0);
  }
}
