/** Finds the highest of many totals, without sorting them. */
export class BestTotals {
  /** A heap of indexes with the lowest total first. */
  readonly #heap: Int32Array;
  /** By index, 1 if it is in the heap. */
  #isIn = new Uint8Array(0);
  #totals: Float64Array = new Float64Array(0);

  /** @param bestMax totals that are found, fewer than there are */
  constructor(bestMax: number) {
    this.#heap = new Int32Array(bestMax);
  }

  /** Indexes of the highest totals, in no order but for the lowest of them, which is the first. Valid until the next call. */
  of(totals: Float64Array): Int32Array {
    const heap = this.#heap;
    this.#totals = totals;
    // Begins with the best of the last call: most of them are the best again, and then few others take a place.
    if (this.#isIn.length !== totals.length) this.#restart(totals.length);
    const isIn = this.#isIn;
    for (let place = (heap.length >> 1) - 1; place >= 0; place -= 1) this.#sink(place);
    let least = totals[heap[0] ?? 0] ?? 0;
    const count = totals.length;
    for (let index = 0; index < count; index += 1) {
      if (!((totals[index] ?? 0) > least) || isIn[index] === 1) continue;
      isIn[heap[0] ?? 0] = 0;
      isIn[index] = 1;
      heap[0] = index;
      this.#sink(0);
      least = totals[heap[0] ?? 0] ?? 0;
    }
    return heap;
  }

  #restart(count: number): void {
    this.#isIn = new Uint8Array(count);
    this.#isIn.fill(1, 0, this.#heap.length);
    for (let index = 0; index < this.#heap.length; index += 1) this.#heap[index] = index;
  }

  /** Moves an index down until both below it have higher totals. */
  #sink(from: number): void {
    const heap = this.#heap;
    const totals = this.#totals;
    const count = heap.length;
    const sinking = heap[from] ?? 0;
    const total = totals[sinking] ?? 0;
    let place = from;
    for (let child = place * 2 + 1; child < count; child = place * 2 + 1) {
      const isRightLower =
        child + 1 < count && (totals[heap[child + 1] ?? 0] ?? 0) < (totals[heap[child] ?? 0] ?? 0);
      const lower = isRightLower ? child + 1 : child;
      const index = heap[lower] ?? 0;
      if (!((totals[index] ?? 0) < total)) break;
      heap[place] = index;
      place = lower;
    }
    heap[place] = sinking;
  }
}
