/**
 * Hands out numbers 1 .. numbersMax, those given back first.
 *
 * Columns of a pool's numbers are allocated at their full length: the operating system gives memory
 * to the pages that are written, and low numbers come first.
 */
export class NumberPool {
  readonly #freed: Uint32Array;
  #freedCount = 0;
  #highest = 0;

  constructor(numbersMax: number) {
    this.#freed = new Uint32Array(numbersMax);
  }

  /** Numbers handed out and not given back. */
  get count(): number {
    return this.#highest - this.#freedCount;
  }

  /** The highest number that was ever handed out. */
  get highest(): number {
    return this.#highest;
  }

  /** 0 where all are taken. */
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
