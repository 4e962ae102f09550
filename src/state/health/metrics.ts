import { Counter, Gauge, type Registry } from "prom-client";
import type { Endpoint } from "../../core/endpoint.ts";
import {
  type EjectionReason,
  ejectionReasons,
  type HealthPhase,
} from "../../core/health-settings.ts";

const labelNames = ["endpoint_name", "namespace"] as const;

const labelsOf = ({ name, namespace }: Endpoint) => ({ endpoint_name: name, namespace });

/**
 * Counts ejections by endpoint and reason; `forget` removes the series of an endpoint that left.
 */
export class EjectionMetrics {
  readonly #ejections: Counter<(typeof labelNames)[number] | "reason">;

  constructor(registry: Registry) {
    this.#ejections = new Counter({
      name: "pointsman_endpoint_ejections_total",
      help: "Ejections of an endpoint, by reason.",
      labelNames: [...labelNames, "reason"],
      registers: [registry],
    });
  }

  ejected(endpoint: Endpoint, reason: EjectionReason): void {
    this.#ejections.inc({ ...labelsOf(endpoint), reason });
  }

  forget(endpoint: Endpoint): void {
    for (const reason of ejectionReasons) this.#ejections.remove({ ...labelsOf(endpoint), reason });
  }
}

/** The endpoints when metrics are read. */
interface PhaseView {
  readonly endpoints: () => readonly Endpoint[];
  readonly phaseOf: (endpoint: Endpoint) => HealthPhase;
}

/** Registers the number of endpoints by phase, counted at each scrape. */
export function registerPhaseMetrics(registry: Registry, view: PhaseView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_endpoints_by_health",
      help: "Endpoints by health phase.",
      labelNames: ["phase"],
      registers: [],
      collect() {
        const counts: Record<HealthPhase, number> = {
          ready: 0,
          ejected: 0,
          trial: 0,
          "slow-start": 0,
          paused: 0,
        };
        for (const endpoint of view.endpoints()) counts[view.phaseOf(endpoint)] += 1;
        for (const [phase, count] of Object.entries(counts)) this.set({ phase }, count);
      },
    }),
  );
}
