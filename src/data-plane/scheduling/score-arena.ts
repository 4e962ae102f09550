/**
 * Rows of numbers that live for a while: scorers write into them and the decision log reads them
 * later, without a copy between. Rows are handed out one after another and overwritten once the
 * arena has gone round, but never while the decision they were taken for is under way.
 */
export class ScoreArena {
  readonly #numbers: Float64Array;
  /** Numbers handed out since the start, with those skipped at the arena's end. */
  #taken = 0;
  /** What `#taken` was when the decision under way began. */
  #openFrom = 0;

  /** @param numbersMax numbers that fit, 8 bytes each */
  constructor(numbersMax: number) {
    this.#numbers = new Float64Array(numbersMax);
  }

  get memoryBytes(): number {
    return this.#numbers.byteLength;
  }

  /** A row of `count` numbers; contents undefined. What does not fit beside open rows stands alone. */
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

  /** Ends the decision under way; returns where its rows begin, for `holds`. */
  close(): number {
    const from = this.#openFrom;
    this.#openFrom = this.#taken;
    return from;
  }

  /** Whether the rows of the decision that began there are still as they were written. */
  holds(from: number): boolean {
    return this.#taken - from <= this.#numbers.length;
  }
}
