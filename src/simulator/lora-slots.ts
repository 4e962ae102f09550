import assert from "node:assert/strict";

interface Slot {
  readonly readyAtMs: number;
  /** Running sequences that use the adapter. */
  users: number;
  /** True from the load to the first use: the request that caused the load is to find the adapter. */
  isClaimed: boolean;
}

export interface LoraLimits {
  /** Adapters the engine can hold at a time. */
  readonly slotsMax: number;
  /** Milliseconds from taking a slot until the adapter can be used. */
  readonly loadMs: number;
}

/**
 * The LoRA adapters of an engine. The least recently used idle one makes room; running sequences and loads
 * that are waited for hold their slots, as adapters of a step do in vLLM (`max_loras`).
 */
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

  /** The time from which a held adapter is usable; undefined for one that is not held. */
  readyAtMs(adapter: string): number | undefined {
    return this.#slots.get(adapter)?.readyAtMs;
  }

  /** The time from which the first of `adapters` that is held is usable. */
  firstReadyAtMs(adapters: readonly string[]): number | undefined {
    let firstMs: number | undefined;
    for (const adapter of adapters) {
      const readyAtMs = this.readyAtMs(adapter);
      if (readyAtMs !== undefined) firstMs = Math.min(firstMs ?? readyAtMs, readyAtMs);
    }
    return firstMs;
  }

  /**
   * True if a request may run with `adapter` now. If the adapter is not held, its load starts, in real
   * time, while steps go on; without a slot nothing happens.
   *
   * @param isWanted True for an adapter that requests wait for.
   */
  demand(adapter: string, nowMs: number, isWanted: (adapter: string) => boolean): boolean {
    const held = this.#slots.get(adapter);
    if (held !== undefined) return held.readyAtMs <= nowMs;
    for (const [name, { users, isClaimed }] of this.#slots) {
      if (this.#slots.size < this.#limits.slotsMax) break;
      if (users === 0 && !(isClaimed && isWanted(name))) this.#slots.delete(name);
    }
    if (this.#slots.size >= this.#limits.slotsMax) return false;
    const readyAtMs = nowMs + this.#limits.loadMs;
    this.#slots.set(adapter, { readyAtMs, users: 0, isClaimed: true });
    return readyAtMs <= nowMs;
  }

  /** Counts a sequence that starts to run with `adapter`, which must be held. */
  acquire(adapter: string): void {
    const slot = this.#slots.get(adapter);
    assert(slot !== undefined, "a sequence runs with an adapter that is not loaded");
    slot.users += 1;
    slot.isClaimed = false;
  }

  /** Uncounts a sequence with `adapter` that has stopped running. */
  release(adapter: string): void {
    const slot = this.#slots.get(adapter);
    assert(slot !== undefined && slot.users > 0, "an unused adapter was released");
    slot.users -= 1;
    // Every step of a sequence uses its adapter, so the last use is its end.
    this.#slots.delete(adapter);
    this.#slots.set(adapter, slot);
  }

  /** The adapters of running sequences. */
  inUse(): readonly string[] {
    return [...this.#slots].flatMap(([adapter, { users }]) => (users > 0 ? [adapter] : []));
  }
}
