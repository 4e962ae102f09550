/**
 * Assigns slots 0 .. slotsMax-1, each to one key at a time.
 *
 * Low slots first, and the slot freed last first: the rows in use stay close together.
 */
export class SlotTable {
  readonly #slotsMax: number;
  readonly #slots = new Map<string, number>();
  readonly #keys: (string | undefined)[] = [];
  readonly #freed: number[] = [];

  constructor(slotsMax: number) {
    this.#slotsMax = slotsMax;
  }

  /** The slot of `key`; undefined if it has none. */
  slotOf(key: string): number | undefined {
    return this.#slots.get(key);
  }

  /** The slot of `key`, a new one if it had none; undefined if all are taken. */
  take(key: string): number | undefined {
    const held = this.#slots.get(key);
    if (held !== undefined) return held;
    const slot = this.#freed.pop() ?? this.#keys.length;
    if (slot >= this.#slotsMax) return undefined;
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    return slot;
  }

  free(slot: number): void {
    const key = this.#keys[slot];
    if (key === undefined) return;
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#freed.push(slot);
  }
}
