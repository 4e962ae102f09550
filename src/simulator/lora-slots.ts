import assert from "node:assert/strict";

interface Slot {
  readonly readyAtMs: number;
  /** Running sequences that use the adapter. */
  users: number;
}

export interface LoraLimits {
  /** Adapters the engine can hold at a time. */
  readonly slotsMax: number;
  /** Milliseconds from taking a slot until the adapter can be used. */
  readonly loadMs: number;
}

/** The LoRA adapters of an engine. The least recently used idle one makes room. */
export class LoraSlots {
  #limits: LoraLimits;
  /** Adapter to slot, from the least to the most recently used. */
  readonly #slots = new Map<string, Slot>();

  constructor(limits: LoraLimits) {
    this.#limits = limits;
  }

  /** Takes effect from the next load on; adapters above a lower limit leave once they are idle. */
  setLimits(limits: LoraLimits): void {
    this.#limits = limits;
  }

  holds(adapter: string): boolean {
    return this.#slots.has(adapter);
  }

  /** The time from which a held adapter is usable; undefined for one that is not held. */
  readyAtMs(adapter: string): number | undefined {
    return this.#slots.get(adapter)?.readyAtMs;
  }

  isReady(adapter: string, nowMs: number): boolean {
    const slot = this.#slots.get(adapter);
    return slot !== undefined && slot.readyAtMs <= nowMs;
  }

  /**
   * Starts to load an adapter that is not held.
   *
   * @param isWanted True for a held adapter that requests wait for, which then stays.
   *
   * @returns False, with nothing loaded, if every slot is in use or wanted.
   */
  load(adapter: string, nowMs: number, isWanted: (adapter: string) => boolean): boolean {
    for (const [held, slot] of this.#slots) {
      if (this.#slots.size < this.#limits.slotsMax) break;
      if (slot.users === 0 && !isWanted(held)) this.#slots.delete(held);
    }
    if (this.#slots.size >= this.#limits.slotsMax) return false;
    this.#slots.set(adapter, { readyAtMs: nowMs + this.#limits.loadMs, users: 0 });
    return true;
  }

  /** Counts a sequence that starts to run with `adapter`, which must be held. */
  acquire(adapter: string): void {
    const slot = this.#slots.get(adapter);
    assert(slot !== undefined, "a sequence runs with an adapter that is not loaded");
    slot.users += 1;
    this.#slots.delete(adapter);
    this.#slots.set(adapter, slot);
  }

  /** Uncounts a sequence with `adapter` that has stopped running. */
  release(adapter: string): void {
    const slot = this.#slots.get(adapter);
    assert(slot !== undefined && slot.users > 0, "an unused adapter was released");
    slot.users -= 1;
  }

  /** The adapters of running sequences. */
  inUse(): readonly string[] {
    return [...this.#slots].flatMap(([adapter, { users }]) => (users > 0 ? [adapter] : []));
  }
}
