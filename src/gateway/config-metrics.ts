import { Counter, Gauge, type Registry } from "prom-client";

/** Metrics that show if the operator's last configuration is in force. */
export class ConfigMetrics {
  readonly #isSuccess: Gauge;
  readonly #appliedAt: Gauge;
  readonly #reloads: Counter<"outcome">;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#isSuccess = new Gauge({
      name: "pointsman_config_last_reload_success",
      help: "1 if the last document read is in force, 0 if it was refused.",
      registers,
    });
    this.#appliedAt = new Gauge({
      name: "pointsman_config_last_applied_timestamp_seconds",
      help: "Time at which the document in force was applied, in seconds since the Unix epoch.",
      registers,
    });
    this.#reloads = new Counter({
      name: "pointsman_config_reloads_total",
      help: "Documents read after the first, by outcome.",
      labelNames: ["outcome"],
      registers,
    });
  }

  /** @param atMs milliseconds since the Unix epoch */
  started(atMs: number): void {
    this.#isSuccess.set(1);
    this.#appliedAt.set(atMs / 1_000);
  }

  applied(atMs: number): void {
    this.started(atMs);
    this.#reloads.inc({ outcome: "applied" });
  }

  refused(): void {
    this.#isSuccess.set(0);
    this.#reloads.inc({ outcome: "refused" });
  }
}
