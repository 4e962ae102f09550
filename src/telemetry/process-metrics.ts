import { collectDefaultMetrics, type Registry } from "prom-client";

/** Gauges whose names end like counters, which Prometheus' own checker refuses. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

/** Milliseconds between two measurements of the event loop's delay: each wakes a process that may be idle. */
const eventLoopPrecisionMs = 100;

/** CPU, memory, garbage collection and event-loop delay of this process. */
export function registerProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: eventLoopPrecisionMs,
  });
  for (const name of misnamed) registry.removeSingleMetric(name);
}
