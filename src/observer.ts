import { Counter, type Registry } from "prom-client";
import { drainOf } from "./core/endpoint.ts";
import type { RequestRecord } from "./core/request-record.ts";
import type { RequestObserver } from "./data-plane/pipeline.ts";
import type { EndpointStore } from "./state/endpoint-store.ts";
import type { Clock } from "./std/clock.ts";
import { type Logger, unredacted } from "./telemetry/logger.ts";
import { registerPoolMetrics } from "./telemetry/pool-metrics.ts";
import { prefixHitMetricsIn } from "./telemetry/prefix-metrics.ts";
import { logRequest } from "./telemetry/request-log.ts";
import { RequestMetrics } from "./telemetry/request-metrics.ts";

interface Observed {
  readonly registry: Registry;
  readonly log: Logger;
  readonly store: EndpointStore;
  readonly clock: Clock;
  readonly poolName: string;
  /** Distinct fairness ids that metrics tell apart. */
  readonly fairnessIdsMax: number;
}

/** Tells logs and metrics what happens to requests. */
export function observerOf(observed: Observed): RequestObserver {
  const { registry, log, store, clock, poolName, fairnessIdsMax } = observed;
  const requestLog = unredacted(log);
  const metrics = new RequestMetrics(registry, { fairnessIdsMax });
  const observeHit = prefixHitMetricsIn(registry);
  store.onChange(({ removed }) => {
    for (const endpoint of removed) metrics.forget(endpoint);
  });
  registerPoolMetrics(registry, {
    name: poolName,
    endpoints: () => store.takers(),
    draining: () => store.endpoints().filter((endpoint) => drainOf(endpoint) !== undefined),
    load: () => store.load(clock.nowMs()),
  });
  const elsewhere = new Counter({
    name: "pointsman_served_elsewhere_total",
    help: "Responses that the proxy says came from another endpoint than the one picked.",
    registers: [registry],
  });
  return {
    routed: (request, decision) => {
      metrics.routed(request, decision);
      if (decision.prefixHit !== undefined) observeHit(decision.prefixHit);
    },
    ended: (record) => {
      metrics.ended(record);
      if (isServedElsewhere(record)) elsewhere.inc();
      logRequest(requestLog, record);
    },
    failed: (head, cause) => {
      log.error({ requestId: head.id, err: cause }, "a stage failed; this is a defect");
    },
  };
}

/** A proxy whose view of the pool differs from ours answers from a host of its own choosing. */
function isServedElsewhere({ servedBy, decision }: RequestRecord): boolean {
  if (servedBy === undefined || decision === undefined) return false;
  return decision.endpoints.every(({ hostPort }) => hostPort !== servedBy);
}
