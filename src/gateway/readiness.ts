/** Conditions of readiness, each with the reason that is given while it is not met. */
const needs = {
  pool: "the pool is not known",
  configuration: "no valid configuration has been read",
  leadership: "this replica is not the leader",
} as const;

export type ReadinessNeed = keyof typeof needs;

/** Ready while every condition is met, until draining begins; final from then on. */
export class Readiness {
  readonly #missing: Set<ReadinessNeed>;
  readonly #listeners = new Set<(isReady: boolean) => void>();
  #isDraining = false;
  #wasReady = false;

  constructor(wanted: Iterable<ReadinessNeed>) {
    this.#missing = new Set(wanted);
  }

  get isReady(): boolean {
    return this.#missing.size === 0 && !this.#isDraining;
  }

  /** Reasons for not being ready; empty if it is. */
  get reasons(): readonly string[] {
    const missing = [...this.#missing].map((need) => needs[need]);
    return this.#isDraining ? [...missing, "draining"] : missing;
  }

  /** Sets if a condition is met. */
  set(need: ReadinessNeed, isMet: boolean): void {
    if (isMet) this.#missing.delete(need);
    else this.#missing.add(need);
    this.#update();
  }

  /** Calls `listener` at each change; the first state is not ready. */
  onChange(listener: (isReady: boolean) => void): void {
    this.#listeners.add(listener);
  }

  drain(): void {
    this.#isDraining = true;
    this.#update();
  }

  #update(): void {
    if (this.isReady === this.#wasReady) return;
    this.#wasReady = this.isReady;
    for (const listener of this.#listeners) listener(this.#wasReady);
  }
}
