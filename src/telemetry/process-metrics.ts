import { collectDefaultMetrics, type Registry } from "prom-client";

/** Gauges whose names end like counters, which Prometheus' own checker refuses. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

/** CPU, memory, garbage collection and event-loop delay of this process. */
export function registerProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
}
