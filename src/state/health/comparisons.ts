/** Interval that the bound is for, and the endpoints that may be read in it: reading one takes about 10 us. */
const intervalMs = 250;
const readMax = 256;

/**
 * Bounds the comparisons of slow endpoints with the others. If all are late at once, because the load is high or this process
 * lacks CPU, each asks for a comparison a few times a second, and in a large pool they would take more than a core.
 */
export class Comparisons {
  #beganMs = Number.NEGATIVE_INFINITY;
  #read = 0;

  /** True if an endpoint may be compared with `others` now. One in each interval may, whatever their number. */
  hasRoom(others: number, nowMs: number): boolean {
    if (nowMs - this.#beganMs >= intervalMs) {
      this.#beganMs = nowMs;
      this.#read = 0;
    }
    return this.#read === 0 || this.#read + others <= readMax;
  }

  /** Notes a comparison with `others`. */
  note(others: number): void {
    this.#read += others;
  }
}
