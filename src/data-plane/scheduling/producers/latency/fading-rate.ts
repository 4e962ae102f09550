/** Milliseconds after which a use counts 1/e. */
const memoryMs = 60_000;

/** Uses per second, as a decayed count: the sum over uses of `exp(-age / 60 s) / 60 s`. */
export class FadingRate {
  #perSecond = 0;
  #atMs = 0;

  note(nowMs: number): void {
    this.#perSecond = this.perSecond(nowMs) + 1_000 / memoryMs;
    this.#atMs = nowMs;
  }

  perSecond(nowMs: number): number {
    return this.#perSecond * Math.exp(-Math.max(0, nowMs - this.#atMs) / memoryMs);
  }
}
