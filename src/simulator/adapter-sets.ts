/** A set of LoRA adapters that the engine had requests for, and the last time it had them. */
interface AdapterSet {
  readonly adapters: readonly string[];
  /** Seconds since the Unix epoch, with a fraction. */
  readonly atS: number;
}

/**
 * The sets of adapters that an engine has shown. vLLM's gauge names the set in its labels, so each
 * set is a series that stays for the life of the process; its value is the time, and the newest has
 * the current state. The same names in another order are another series.
 */
export class AdapterSets {
  readonly #sets = new Map<string, AdapterSet>();

  /**
   * `setsMax` bounds the cost of writing one page: beyond it the oldest sets are dropped, which
   * vLLM never does.
   */
  show(adapters: readonly string[], atS: number, setsMax: number): void {
    this.#sets.set(adapters.join(","), { adapters, atS });
    if (this.#sets.size <= setsMax) return;
    const oldestFirst = [...this.#sets].toSorted(([, a], [, b]) => a.atS - b.atS);
    for (const [key] of oldestFirst.slice(0, this.#sets.size - setsMax)) this.#sets.delete(key);
  }

  /** The sets in order of first appearance. */
  shown(): readonly AdapterSet[] {
    return [...this.#sets.values()];
  }
}
