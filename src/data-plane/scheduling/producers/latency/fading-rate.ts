/** Milliseconds after which a use counts 1/e. */
const memoryMs = 60_000;

/** Uses per second, as a decayed count: the sum over uses of `exp(-age / 60 s) / 60 s`. */
export class FadingRate {
  #perSecond = 0;
  #atMs = 0;
  /** The rate that was asked for last, and its time: a decision asks once for each endpoint. */
  #lastPerSecond = 0;
  #lastMs = Number.NaN;

  note(nowMs: number): void {
    this.#perSecond = this.perSecond(nowMs) + 1_000 / memoryMs;
    this.#atMs = nowMs;
    this.#lastMs = Number.NaN;
  }

  perSecond(nowMs: number): number {
    if (nowMs !== this.#lastMs) {
      const ageMs = Math.max(0, nowMs - this.#atMs);
      this.#lastPerSecond = this.#perSecond * Math.exp(-ageMs / memoryMs);
      this.#lastMs = nowMs;
    }
    return this.#lastPerSecond;
  }
}
