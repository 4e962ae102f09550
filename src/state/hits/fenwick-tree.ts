/** Whole numbers at places from 1 on, with the sum of any first places (a Fenwick tree). */
export class FenwickTree {
  readonly #sums: Int32Array;
  #total = 0;

  /** @param placesMax highest place */
  constructor(placesMax: number) {
    this.#sums = new Int32Array(placesMax + 1);
  }

  /** The sum of all places. */
  get total(): number {
    return this.#total;
  }

  get memoryBytes(): number {
    return this.#sums.byteLength;
  }

  add(place: number, change: number): void {
    const sums = this.#sums;
    this.#total += change;
    for (let at = place; at < sums.length; at += at & -at) sums[at] = (sums[at] ?? 0) + change;
  }

  /** The sum of the places after this one. */
  sumAfter(place: number): number {
    const sums = this.#sums;
    let upTo = 0;
    for (let at = place; at > 0; at -= at & -at) upTo += sums[at] ?? 0;
    return this.#total - upTo;
  }

  /** Replaces all numbers, in one pass: `numberOf` gives those of the places up to `last`, and the others are 0. */
  replace(last: number, numberOf: (place: number) => number): void {
    const sums = this.#sums;
    sums.fill(0);
    this.#total = 0;
    for (let at = 1; at < sums.length; at += 1) {
      const number = at <= last ? numberOf(at) : 0;
      this.#total += number;
      const sum = (sums[at] ?? 0) + number;
      sums[at] = sum;
      const parent = at + (at & -at);
      if (parent < sums.length) sums[parent] = (sums[parent] ?? 0) + sum;
    }
  }
}
