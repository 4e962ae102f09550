import { collectDefaultMetrics, type Registry } from "prom-client";

/** Gauges whose names end like counters, which Prometheus' own checker refuses. */
const misnamed = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

/**
 * Milliseconds between two measurements of the event loop's delay. Node.js's default: with fewer, the 99th percentile of
 * a few seconds is their maximum. They wake an idle process, which takes 0.2 % of a core.
 */
const eventLoopPrecisionMs = 10;

/** CPU, memory, garbage collection and event-loop delay of this process. */
export function registerProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: eventLoopPrecisionMs,
  });
  for (const name of misnamed) registry.removeSingleMetric(name);
}
