const slotsMin = 64;

/** A number for each slot, or NaN. A decision reads it for each candidate, in order. */
export class SlotColumn {
  #values = new Float64Array(slotsMin).fill(Number.NaN);

  at(slot: number): number {
    return this.#values[slot] ?? Number.NaN;
  }

  set(slot: number, value: number): void {
    if (slot >= this.#values.length) {
      const longer = new Float64Array(Math.max(slot + 1, this.#values.length * 2)).fill(Number.NaN);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[slot] = value;
  }

  forget(slot: number): void {
    if (slot < this.#values.length) this.#values[slot] = Number.NaN;
  }
}
