const slotsMin = 64;

/** The ends of one slot's list of entries, as entry numbers; 0 if the list is empty. */
export interface SlotList {
  readonly slot: number;
  newest: number;
  oldest: number;
  /** Time of the last use of the oldest entry, in seconds. */
  oldestUsedAtS: number;
  count: number;
  /** Blocks that the slot had room for at its last use. */
  capacity: number;
}

export function noEntries(slot: number): SlotList {
  return { slot, newest: 0, oldest: 0, oldestUsedAtS: 0, count: 0, capacity: 0 };
}

/**
 * By slot, the time of the last use of the block that it evicts next, in seconds; NaN if it has room for more. A
 * decision reads it for each candidate.
 */
export class EvictionTimes {
  #usedAtS = new Float64Array(slotsMin).fill(Number.NaN);

  /** Call it after each change of a list. */
  note({ slot, count, capacity, oldestUsedAtS }: SlotList): void {
    if (slot >= this.#usedAtS.length) {
      const longer = new Float64Array(slot * 2).fill(Number.NaN);
      longer.set(this.#usedAtS);
      this.#usedAtS = longer;
    }
    const hasRoom = count === 0 || count < capacity;
    this.#usedAtS[slot] = hasRoom ? Number.NaN : oldestUsedAtS;
  }

  /** Milliseconds since that use; undefined if there is room. */
  ageMs(slot: number, nowS: number): number | undefined {
    const usedAtS = this.#usedAtS[slot] ?? Number.NaN;
    return Number.isNaN(usedAtS) ? undefined : (nowS - usedAtS) * 1_000;
  }

  /** Writes the ages of these slots to a column by slot, NaN in place of undefined. */
  readAges(slots: Int32Array, nowS: number, agesMs: Float64Array): void {
    const usedAtS = this.#usedAtS;
    const known = usedAtS.length;
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index] ?? 0;
      // V8 makes an object of each number of a loop that has read beyond the end of a column.
      agesMs[slot] = slot < known ? (nowS - (usedAtS[slot] ?? Number.NaN)) * 1_000 : Number.NaN;
    }
  }
}
