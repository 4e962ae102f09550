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

/** Slots of an index at first; a pool has no more. */
const slotsMin = 4_096;

/**
 * The age at which each slot evicts blocks, in a column: the time since the last use of the block that goes next. Ages
 * are in whole seconds, so all of them are computed once a second, and one of them when its list has changed.
 */
export class EvictionAges {
  /** By slot, the time of that use in seconds; -1 if there is room for more. */
  #usedAtS = new Float64Array(slotsMin).fill(-1);
  #agesMs = new Float64Array(slotsMin).fill(-1);
  /** Time at which the ages hold. */
  #nowS = 0;

  /** Call it after each change of a list. */
  note({ slot, count, capacity, oldestUsedAtS }: SlotList): void {
    this.#fit(slot + 1);
    const hasRoom = count === 0 || count < capacity;
    this.#usedAtS[slot] = hasRoom ? -1 : oldestUsedAtS;
    this.#agesMs[slot] = hasRoom ? -1 : (this.#nowS - oldestUsedAtS) * 1_000;
  }

  /** Milliseconds by slot; -1 if there is room. Valid until the next change of a list, or another time. */
  at(nowS: number): Float64Array {
    if (nowS === this.#nowS) return this.#agesMs;
    this.#nowS = nowS;
    for (let slot = 0; slot < this.#usedAtS.length; slot += 1) {
      const usedAtS = this.#usedAtS[slot] ?? -1;
      if (usedAtS >= 0) this.#agesMs[slot] = (nowS - usedAtS) * 1_000;
    }
    return this.#agesMs;
  }

  #fit(slots: number): void {
    if (slots <= this.#usedAtS.length) return;
    const longer = (column: Float64Array) => {
      const twice = new Float64Array(slots * 2).fill(-1);
      twice.set(column);
      return twice;
    };
    this.#usedAtS = longer(this.#usedAtS);
    this.#agesMs = longer(this.#agesMs);
  }
}
