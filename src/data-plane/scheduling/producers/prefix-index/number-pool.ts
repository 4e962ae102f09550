/**
 * Hands out the numbers 1 .. numbersMax, returned ones first.
 *
 * Columns indexed by these numbers are allocated at their full length. The operating system backs only the pages that
 * are written, and low numbers are handed out first.
 */
export class NumberPool {
  readonly #freed: Uint32Array;
  #freedCount = 0;
  #highest = 0;

  constructor(numbersMax: number) {
    this.#freed = new Uint32Array(numbersMax);
  }

  /** Number of those handed out and not returned. */
  get count(): number {
    return this.#highest - this.#freedCount;
  }

  /** The highest number handed out so far. */
  get highest(): number {
    return this.#highest;
  }

  /** Returns a free number; 0 if all are taken. */
  take(): number {
    if (this.#freedCount > 0) {
      this.#freedCount -= 1;
      return this.#freed[this.#freedCount] ?? 0;
    }
    if (this.#highest >= this.#freed.length) return 0;
    this.#highest += 1;
    return this.#highest;
  }

  giveBack(number: number): void {
    this.#freed[this.#freedCount] = number;
    this.#freedCount += 1;
  }
}
