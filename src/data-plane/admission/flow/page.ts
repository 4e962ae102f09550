import type { Band } from "./band.ts";
import type { FlowControl } from "./flow-control.ts";

/** Flows of a band that the page lists, the longest first. */
const flowsShownMax = 20;

/** The content of `/debug/queues`. Times in milliseconds; null for limits that do not exist. */
export function queuesPageOf(flow: FlowControl | undefined, nowMs: number) {
  if (flow === undefined) return { enabled: false as const };
  const { size, heldBytes, plan, saturation } = flow;
  return {
    enabled: true as const,
    waitingRequests: size,
    heldBytes,
    limits: {
      requests: finite(plan.requestsMax),
      bytes: finite(plan.bytesMax),
      noEndpointTtlMs: finite(plan.noEndpointTtlMs),
    },
    usageLimitPolicy: plan.usageLimit,
    saturation: {
      effective: finite(saturation.effective),
      prefill: finite(saturation.prefill),
      decode: finite(saturation.decode),
    },
    bands: flow.bands.map((band) => bandOf(band, nowMs)),
  };
}

function bandOf(band: Band, nowMs: number) {
  const { priority, plan, size, asideCount, heldBytes } = band;
  const flows = new Map<string, { waiting: number; oldestMs: number }>();
  for (const { fairnessId, enqueuedMs } of band.requests()) {
    const flow = flows.get(fairnessId) ?? { waiting: 0, oldestMs: 0 };
    flows.set(fairnessId, {
      waiting: flow.waiting + 1,
      oldestMs: Math.max(flow.oldestMs, nowMs - enqueuedMs),
    });
  }
  const listed = [...flows]
    .map(([fairnessId, { waiting, oldestMs }]) => ({ fairnessId, waiting, oldestMs }))
    .toSorted((a, b) => b.waiting - a.waiting);
  return {
    priority,
    waitingRequests: size,
    withoutEndpoint: asideCount,
    heldBytes,
    limits: {
      requests: finite(plan.requestsMax),
      bytes: finite(plan.bytesMax),
      ttlMs: finite(plan.ttlMs),
    },
    guaranteedShare: plan.guaranteedShare,
    fairnessPolicy: plan.fairness,
    orderingPolicy: plan.ordering,
    flowCount: listed.length,
    flows: listed.slice(0, flowsShownMax),
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
