import { HealthService } from "../data-plane/ingress/grpc/health.ts";

/** What has to be so before requests are asked for, and what is said while it is not. */
const needs = {
  pool: "the pool is not known",
  configuration: "no valid configuration has been read",
  leadership: "this replica is not the leader",
} as const;

export type ReadinessNeed = keyof typeof needs;

/** Ready while everything that is needed is there, until draining begins, whatever comes after. */
export class Readiness {
  readonly health = new HealthService();
  readonly #missing: Set<ReadinessNeed>;
  #isDraining = false;

  constructor(wanted: Iterable<ReadinessNeed>) {
    this.#missing = new Set(wanted);
  }

  /** Why it is not ready, in words; empty where it is. */
  get reasons(): readonly string[] {
    const missing = [...this.#missing].map((need) => needs[need]);
    return this.#isDraining ? [...missing, "draining"] : missing;
  }

  /** Says whether a need is met. */
  set(need: ReadinessNeed, isMet: boolean): void {
    if (isMet) this.#missing.delete(need);
    else this.#missing.add(need);
    this.#update();
  }

  drain(): void {
    this.#isDraining = true;
    this.#update();
  }

  #update(): void {
    this.health.setReady(this.#missing.size === 0 && !this.#isDraining);
  }
}
