const slotsMin = 64;

/** A number for each slot, or NaN. A decision reads it for each candidate, in order. */
export class SlotColumn {
  #values = new Float64Array(slotsMin).fill(Number.NaN);

  at(slot: number): number {
    return this.#values[slot] ?? Number.NaN;
  }

  set(slot: number, value: number): void {
    this.fit(slot + 1);
    this.#values[slot] = value;
  }

  /** Makes room for this many slots. V8 makes an object of each number of a loop that has read beyond the end. */
  fit(slots: number): void {
    if (slots <= this.#values.length) return;
    const longer = new Float64Array(Math.max(slots, this.#values.length * 2)).fill(Number.NaN);
    longer.set(this.#values);
    this.#values = longer;
  }

  forget(slot: number): void {
    if (slot < this.#values.length) this.#values[slot] = Number.NaN;
  }
}
