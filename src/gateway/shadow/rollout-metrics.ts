import { Counter, Gauge } from "prom-client";
import type { RolloutPage } from "../../admin/shadow-page.ts";
import type { MetricsRegistry } from "../../telemetry/metrics-registry.ts";
import type { RolloutArms } from "./rollout-arms.ts";

interface MeasuredRollout {
  readonly counts: RolloutArms["counts"];
  /** Null while there is none. */
  readonly page: () => RolloutPage | null;
}

/** Values of the label by the states. */
const states = { comparing: "comparing", promoted: "promoted", rolledBack: "rolled_back" } as const;

/** Registers the metrics of the rollout of a shadow document. */
export function registerRolloutMetrics(registry: MetricsRegistry, rollout: MeasuredRollout): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_rollout_share_ratio",
      help: "Share of the requests that the shadow document decides about.",
      registers: [],
      collect() {
        this.set(rollout.page()?.shareRatio ?? 0);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_rollout_state",
      help: "1 for the state of the rollout: comparing, promoted or rolled_back.",
      labelNames: ["state"],
      registers: [],
      collect() {
        const now = rollout.page()?.state;
        for (const [name, state] of Object.entries(states)) {
          this.set({ state }, name === now ? 1 : 0);
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_rollout_overdue_ratio",
      help: "Part of the time between stepTime and stepTimeMax that the step of the rollout has used.",
      registers: [],
      collect() {
        this.set(rollout.page()?.overdueRatio ?? 0);
      },
    }),
  );
  registerNumbers(registry, rollout);
}

function registerNumbers(registry: MetricsRegistry, rollout: MeasuredRollout): void {
  registry.registerMetric(
    new Counter({
      name: "pointsman_rollout_requests_total",
      help: "Requests that ended during a rollout, by the document that decided and the outcome: ok or error.",
      labelNames: ["document", "outcome"],
      registers: [],
      collect() {
        this.reset();
        const { inForce, shadow } = rollout.counts;
        for (const [document, { ok, error }] of [
          ["in_force", inForce] as const,
          ["shadow", shadow] as const,
        ]) {
          this.inc({ document, outcome: "ok" }, ok);
          this.inc({ document, outcome: "error" }, error);
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_rollout_rise_ratio",
      help: "Rise of the times of the shadow document's requests in this step, with its bounds: mean, lower and upper.",
      labelNames: ["measure", "bound"],
      registers: [],
      collect() {
        this.reset();
        for (const { measure, rise } of rollout.page()?.rises ?? []) {
          if (rise === null) continue;
          for (const bound of ["mean", "lower", "upper"] as const) {
            this.set({ measure, bound }, rise[bound]);
          }
        }
      },
    }),
  );
}
