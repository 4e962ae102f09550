/** A set of LoRA adapters that the engine had requests for, and when it had them last. */
interface AdapterSet {
  readonly adapters: readonly string[];
  /** Seconds since the Unix epoch, with a fraction. */
  readonly atS: number;
}

/**
 * The sets of adapters that an engine has shown. vLLM's gauge names the set in its labels, so each set is a series that
 * stays for the life of the process; its value is the time, and the newest has the current state. The same names in another
 * order are another series.
 */
export class AdapterSets {
  readonly #sets = new Map<string, AdapterSet>();

  /** `setsMax` bounds what one page costs to write: beyond it the oldest sets leave, which vLLM's never do. */
  show(adapters: readonly string[], atS: number, setsMax: number): void {
    this.#sets.set(adapters.join(","), { adapters, atS });
    if (this.#sets.size <= setsMax) return;
    const oldestFirst = [...this.#sets].toSorted(([, a], [, b]) => a.atS - b.atS);
    for (const [key] of oldestFirst.slice(0, this.#sets.size - setsMax)) this.#sets.delete(key);
  }

  /** In the order in which each was first shown. */
  shown(): readonly AdapterSet[] {
    return [...this.#sets.values()];
  }
}
