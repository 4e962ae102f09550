/**
 * Ring buffer for rows of numbers: scorers write rows and the decision log reads them later, without a copy. A row is
 * overwritten once the ring wraps around, but never during the decision that took it.
 */
export class ScoreArena {
  readonly #numbers: Float64Array;
  /** Numbers handed out since the start, including those skipped at the end of the buffer. */
  #taken = 0;
  /** Value of `#taken` at the start of the current decision. */
  #openFrom = 0;

  /** @param numbersMax size in numbers, 8 bytes each */
  constructor(numbersMax: number) {
    this.#numbers = new Float64Array(numbersMax);
  }

  get memoryBytes(): number {
    return this.#numbers.byteLength;
  }

  /**
   * Returns a row of `count` numbers with undefined contents. A row that does not fit next to the rows of the current
   * decision is a separate array.
   */
  take(count: number): Float64Array {
    const size = this.#numbers.length;
    const used = this.#taken % size;
    const skipped = used + count > size ? size - used : 0;
    const end = this.#taken + skipped + count;
    if (count > size || end - this.#openFrom > size) return new Float64Array(count);
    this.#taken = end;
    const start = skipped === 0 ? used : 0;
    return this.#numbers.subarray(start, start + count);
  }

  /** Ends the current decision; returns the position of its rows, for `holds`. */
  close(): number {
    const from = this.#openFrom;
    this.#openFrom = this.#taken;
    return from;
  }

  /** True if the rows of the decision at this position have not been overwritten. */
  holds(from: number): boolean {
    return this.#taken - from <= this.#numbers.length;
  }
}
