/** Ring buffer for the numbers of decisions: a block is one decision's, and is overwritten once the ring wraps around. */
export class NumberRing {
  readonly numbers: Float64Array;
  /** Numbers handed out since the start, including those skipped at the end of the buffer. */
  #taken = 0;

  /** @param numbersMax size in numbers, 8 bytes each */
  constructor(numbersMax: number) {
    this.numbers = new Float64Array(numbersMax);
  }

  get memoryBytes(): number {
    return this.numbers.byteLength;
  }

  /** Takes `count` numbers in a row; returns their position, for `offsetOf` and `holds`, or NaN if they do not fit. */
  take(count: number): number {
    const size = this.numbers.length;
    if (count > size) return Number.NaN;
    const used = this.#taken % size || 0;
    const skipped = used + count > size ? size - used : 0;
    const position = this.#taken + skipped;
    this.#taken = position + count;
    return position;
  }

  /** Index in `numbers` of the block at this position. */
  offsetOf(position: number): number {
    return position % this.numbers.length || 0;
  }

  /** True if the block at this position has not been overwritten. */
  holds(position: number): boolean {
    return this.#taken - position <= this.numbers.length;
  }
}
