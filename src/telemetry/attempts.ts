import type { Endpoint } from "../core/endpoint.ts";
import { headText, labelsText, sampleText } from "./exposition.ts";
import type { PiecewiseFamily } from "./metrics-registry.ts";
import { type OlderName, olderLabelsOf } from "./older-names.ts";

/** Series with target models that clients chose; beyond it an endpoint's attempts are under `other`. */
const attemptSeriesMax = 10_000;

const noEndpoint = { name: "", namespace: "", port: "" };

/** Attempts by target model, for one endpoint or for none. */
interface Attempts {
  readonly endpoint: { readonly name: string; readonly namespace: string; readonly port: string };
  readonly status: "success" | "failure";
  readonly byTarget: Map<string, number>;
}

/** Scheduling decisions by their result, endpoint and target model. */
export class SchedulerAttempts implements PiecewiseFamily {
  readonly name = "llm_d_epp_scheduler_attempts_total";
  readonly help = "Scheduling decisions, by result.";
  readonly type = "counter";
  readonly #seriesMax: number;
  /** By the endpoint's id. */
  readonly #successes = new Map<string, Attempts>();
  readonly #failures: Attempts = { endpoint: noEndpoint, status: "failure", byTarget: new Map() };
  #series = 0;

  constructor(seriesMax = attemptSeriesMax) {
    this.#seriesMax = seriesMax;
  }

  /** Counts a decision for an endpoint; `isKnown` is asked about the target model if room is short. */
  succeeded(endpoint: Endpoint, target: string, isKnown: () => boolean): void {
    let attempts = this.#successes.get(endpoint.id);
    if (attempts === undefined) {
      const { name, namespace, port } = endpoint;
      attempts = {
        endpoint: { name, namespace, port: String(port) },
        status: "success",
        byTarget: new Map(),
      };
      this.#successes.set(endpoint.id, attempts);
    }
    const isRoom = attempts.byTarget.has(target) || this.#series < this.#seriesMax || isKnown();
    this.#count(attempts, isRoom ? target : "other");
  }

  failed(target: string): void {
    this.#count(this.#failures, target);
  }

  /** Drops the series of an endpoint that left. */
  forget({ id }: Endpoint): void {
    this.#series -= this.#successes.get(id)?.byTarget.size ?? 0;
    this.#successes.delete(id);
  }

  /** Drops the series of all target models but these. */
  keep(targets: ReadonlySet<string>): void {
    for (const { byTarget } of [...this.#successes.values(), this.#failures]) {
      for (const target of byTarget.keys()) {
        if (targets.has(target) || target === "other") continue;
        byTarget.delete(target);
        this.#series -= 1;
      }
    }
  }

  *pieces(older: OlderName | undefined): Iterable<string> {
    yield headText(this);
    // Several ports of a pod are one series under the older name.
    const sums = new Map<string, number>();
    for (const { labels, count } of this.#samples()) {
      yield sampleText(this.name, labelsText(labels), count);
      if (older === undefined) continue;
      const kept = labelsText(olderLabelsOf(labels, older));
      sums.set(kept, (sums.get(kept) ?? 0) + count);
    }
    if (older === undefined) return;
    const { help, type } = this;
    yield headText({ name: older.name, help: `${help} Now ${this.name}.`, type });
    for (const [labels, sum] of sums) yield sampleText(older.name, labels, sum);
  }

  *#samples() {
    // Counts go on while the page is written: a list does not meet a series twice.
    for (const { endpoint, status, byTarget } of [...this.#successes.values(), this.#failures]) {
      for (const [target, count] of Array.from(byTarget)) {
        const { name, namespace, port } = endpoint;
        const labels = { status, target_model_name: target, endpoint_name: name, namespace, port };
        yield { labels, count };
      }
    }
  }

  #count({ byTarget }: Attempts, target: string): void {
    const count = byTarget.get(target);
    if (count === undefined) this.#series += 1;
    byTarget.set(target, (count ?? 0) + 1);
  }
}
