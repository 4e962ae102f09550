/** Rows of numbers for the scores of one decision. The next decision gets the same memory, which stays in the cache. */
export class ScoreRows {
  readonly #rows: Float64Array[] = [];
  #taken = 0;

  /** Begins a decision; rows that were taken before hold undefined numbers from here on. */
  begin(): void {
    this.#taken = 0;
  }

  /** Returns a row of `count` numbers with undefined contents. */
  take(count: number): Float64Array {
    const index = this.#taken;
    this.#taken += 1;
    const row = this.#rows[index];
    // Most decisions have as many candidates as the one before, and need no other view of the memory.
    return row?.length === count ? row : this.#resized(index, count);
  }

  #resized(index: number, count: number): Float64Array {
    const memory = this.#rows[index]?.buffer;
    const isLarge = memory !== undefined && memory.byteLength >= count * 8;
    const row = isLarge ? new Float64Array(memory, 0, count) : new Float64Array(count);
    this.#rows[index] = row;
    return row;
  }
}
