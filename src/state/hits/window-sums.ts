/** Parts of the window; the oldest is dropped when a new one begins. */
const partCount = 6;

/** Length of the window, and of a part of it, in milliseconds. */
export const windowMs = 3_600_000;
export const windowPartMs = windowMs / partCount;

/** Sums over the last hour, in parts of ten minutes: over the last 50 to 60 minutes. */
export class WindowSums {
  readonly #parts: readonly Float64Array[];
  /** Number of the newest part since the clock's zero. */
  #newest = 0;

  /** @param width number of sums */
  constructor(width: number) {
    this.#parts = Array.from({ length: partCount }, () => new Float64Array(width));
  }

  /** The sums of now, to be added to; valid until another moment is asked for. */
  at(nowMs: number): Float64Array {
    const part = Math.floor(nowMs / windowPartMs);
    if (part !== this.#newest) this.#turn(part);
    return this.#partAt(part);
  }

  /** The sums over the window. */
  total(nowMs: number): Float64Array {
    const total = this.at(nowMs).slice();
    for (const part of this.#parts) {
      if (part === this.#partAt(this.#newest)) continue;
      for (let index = 0; index < total.length; index += 1) {
        total[index] = (total[index] ?? 0) + (part[index] ?? 0);
      }
    }
    return total;
  }

  #turn(part: number): void {
    const passed = Math.min(partCount, Math.max(0, part - this.#newest));
    for (let back = 0; back < passed; back += 1) this.#partAt(part - back).fill(0);
    this.#newest = part;
  }

  #partAt(part: number): Float64Array {
    const found = this.#parts[((part % partCount) + partCount) % partCount];
    if (found === undefined) throw new Error("the window has every part");
    return found;
  }
}
