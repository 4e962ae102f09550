const slotsMin = 64;

/** A number for each slot. A decision reads it for each candidate, in order. */
export class SlotColumn {
  readonly #unset: number;
  #values: Float64Array;

  /** @param unset the number of a slot that has none of its own */
  constructor(unset = Number.NaN) {
    this.#unset = unset;
    this.#values = new Float64Array(slotsMin).fill(unset);
  }

  /** All numbers by slot, for a loop; a longer array takes its place when the column grows. */
  get values(): Float64Array {
    return this.#values;
  }

  at(slot: number): number {
    return this.#values[slot] ?? this.#unset;
  }

  set(slot: number, value: number): void {
    this.fit(slot + 1);
    this.#values[slot] = value;
  }

  /** Makes room for this many slots. V8 makes an object of each number of a loop that has read beyond the end. */
  fit(slots: number): void {
    if (slots <= this.#values.length) return;
    const longer = new Float64Array(Math.max(slots, this.#values.length * 2)).fill(this.#unset);
    longer.set(this.#values);
    this.#values = longer;
  }

  forget(slot: number): void {
    if (slot < this.#values.length) this.#values[slot] = this.#unset;
  }
}
