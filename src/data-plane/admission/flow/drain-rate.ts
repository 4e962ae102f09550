/** Weight of the last interval in the mean. */
const newWeight = 0.1;
const retryAfterSecondsMax = 30;

/** The rate at which requests leave a queue, as an exponential mean of the intervals between them. */
export class DrainRate {
  #lastMs = Number.NaN;
  #intervalMs = Number.NaN;

  /** `nowMs`: monotonic. */
  left(nowMs: number): void {
    const intervalMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (Number.isNaN(intervalMs)) return;
    this.#intervalMs = Number.isNaN(this.#intervalMs)
      ? intervalMs
      : this.#intervalMs + newWeight * (intervalMs - this.#intervalMs);
  }

  /**
   * Seconds until this many places are free: whole ones, 1 to 30. An interval that lasts longer than the mean counts
   * itself, so that a queue that has stopped is not taken for a fast one.
   */
  retryAfterSeconds(places: number, nowMs: number): number {
    const sinceMs = nowMs - this.#lastMs;
    // Nothing has left yet.
    if (Number.isNaN(sinceMs)) return 1;
    const intervalMs = Number.isNaN(this.#intervalMs)
      ? sinceMs
      : Math.max(this.#intervalMs, sinceMs);
    return Math.min(Math.max(Math.ceil((places * intervalMs) / 1_000), 1), retryAfterSecondsMax);
  }
}
