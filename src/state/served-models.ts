/** The sources that name the models of an endpoint. */
type Source = "models" | "adapters";

/** The models that endpoints name, in one index for the whole pool. */
export class ServedModels {
  /** By source, then by slot. */
  readonly #named: Readonly<Record<Source, Map<number, ReadonlySet<string>>>> = {
    models: new Map(),
    adapters: new Map(),
  };
  /** Number of endpoints and sources that name each model. */
  readonly #counts = new Map<string, number>();

  has(model: string): boolean {
    return this.#counts.has(model);
  }

  /** Replaces the models that one source names for an endpoint. */
  set(source: Source, slot: number, models: ReadonlySet<string>): void {
    const named = this.#named[source];
    const before = named.get(slot);
    if (before !== undefined && isSame(before, models)) return;
    this.#count(before, -1);
    this.#count(models, 1);
    named.set(slot, models);
  }

  forget(slot: number): void {
    for (const named of Object.values(this.#named)) {
      this.#count(named.get(slot), -1);
      named.delete(slot);
    }
  }

  #count(models: ReadonlySet<string> | undefined, change: 1 | -1): void {
    for (const model of models ?? []) {
      const count = (this.#counts.get(model) ?? 0) + change;
      if (count === 0) this.#counts.delete(model);
      else this.#counts.set(model, count);
    }
  }
}

function isSame(before: ReadonlySet<string>, after: ReadonlySet<string>): boolean {
  return before.size === after.size && [...before].every((model) => after.has(model));
}
