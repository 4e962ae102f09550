/** The sources that name the models of an endpoint. */
type Source = "models" | "adapters";

/** Models that are remembered after the last endpoint has dropped them; beyond it, the oldest are forgotten. */
const pastMax = 1_024;

/** The models that endpoints name, in one index for the whole pool. */
export class ServedModels {
  /** By source, then by slot. */
  readonly #named: Readonly<Record<Source, Map<number, ReadonlySet<string>>>> = {
    models: new Map(),
    adapters: new Map(),
  };
  /** Models that no endpoint names any more. */
  readonly #past = new Set<string>();
  /** Models that an endpoint named before, and none does now. */
  readonly past: ReadonlySet<string> = this.#past;
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
    this.#count(models, 1);
    this.#count(before, -1);
    named.set(slot, models);
  }

  forget(slot: number): void {
    for (const named of Object.values(this.#named)) {
      this.#count(named.get(slot), -1);
      named.delete(slot);
    }
  }

  #leave(model: string): void {
    this.#counts.delete(model);
    // The order of a set is that of insertion: the oldest is the first.
    this.#past.delete(model);
    const [oldest] = this.#past;
    if (this.#past.size >= pastMax && oldest !== undefined) this.#past.delete(oldest);
    this.#past.add(model);
  }

  #count(models: ReadonlySet<string> | undefined, change: 1 | -1): void {
    for (const model of models ?? []) {
      const count = (this.#counts.get(model) ?? 0) + change;
      if (count === 0) {
        this.#leave(model);
        continue;
      }
      this.#counts.set(model, count);
      this.#past.delete(model);
    }
  }
}

function isSame(before: ReadonlySet<string>, after: ReadonlySet<string>): boolean {
  return before.size === after.size && [...before].every((model) => after.has(model));
}
