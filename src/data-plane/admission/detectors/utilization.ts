import { z } from "zod";
import { recalled } from "../../../core/recalls.ts";
import { loadSignalLabels } from "../../../core/signals.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { LoadSnapshot } from "../../../core/load.ts";
import { durationMsOf } from "../../../std/quantities.ts";
import { positiveDurationParam } from "./duration-param.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z.strictObject({
  queueDepthThreshold: z.int().min(1).default(5).meta({
    unit: "requests",
    description: "Number of waiting requests at which an endpoint is full.",
    tune: "Raise it if engines queue by design.",
  }),
  kvCacheUtilThreshold: z.number().gt(0).max(1).default(0.8).meta({
    unit: "ratio",
    description: "Used share of the KV cache at which an endpoint is full.",
    tune: "Raise it if engines run well with a nearly full cache.",
  }),
  metricsStalenessThreshold: positiveDurationParam.default("200ms").meta({
    unit: "duration",
    description:
      "Delay beyond the planned scrape after which an endpoint's signals count as missing.",
    tune: "Raise it if engines under load answer scrapes late.",
  }),
  stalenessPolicy: z.enum(["ignore", "saturated"]).default("ignore").meta({
    description:
      "Leaves an endpoint whose signals are missing out of the mean (`ignore`) or counts it as full (`saturated`).",
    tune: "Use `saturated` if you prefer shedding to routing without signals.",
  }),
  headroom: z.number().min(0).default(0).meta({
    unit: "ratio",
    description: "For use as a filter: share above the thresholds up to which an endpoint is kept.",
    tune: "Raise it to favor affinity over short queues.",
  }),
});

/**
 * Computes saturation from the signals of engines:
 *
 *     saturation = mean over the endpoints of max(waiting / queueDepthThreshold, kv / kvCacheUtilThreshold)
 *
 * over those whose signals are known and not overdue. If there are none, saturation is 0, so that no request is refused
 * because signals are missing. With the policy `saturated`, endpoints without such signals count as 1. The saturation
 * of an empty pool is 1.
 */
export const utilizationDetector = dataPlanePlugin({
  type: "utilization-detector",
  kinds: ["saturation-detector", "filter"],
  summary:
    "Computes saturation from the engines' signals: the mean over the endpoints of `max(waiting / queueDepthThreshold, kv / kvCacheUtilThreshold)`. Endpoints whose signals are missing or overdue are left out; if all are, saturation is 0, so that no request is refused because signals are lost. With `stalenessPolicy: saturated`, the peer's default, they count as 1 instead. The saturation of an empty pool is 1. From 1 on, requests of a priority below 0 are shed with 429. In a profile it also works as a filter: it keeps endpoints with fresh signals below the thresholds times `1 + headroom`, or all if there are none.",
  params,
  signals: () => [loadSignalLabels.waitingRequests, loadSignalLabels.kvCacheUsedRatio],
  create: ({ queueDepthThreshold, kvCacheUtilThreshold, headroom, ...staleness }, { name }) => {
    const staleAfterMs = durationMsOf(staleness.metricsStalenessThreshold);
    const countsStale = staleness.stalenessPolicy === "saturated";
    const isFresh = ({ slot }: Endpoint, load: LoadSnapshot, nowMs: number) =>
      // NaN, for a signal that was never read, makes the comparison false.
      nowMs - (load.signalsDueAtMs[slot] ?? Number.NaN) <= staleAfterMs &&
      isCount(load.kvCacheUsedRatio[slot]) &&
      isCount(load.waitingRequests[slot]);
    const fullnessOf = ({ slot }: Endpoint, load: LoadSnapshot) =>
      Math.max(
        (load.waitingRequests[slot] ?? 0) / queueDepthThreshold,
        (load.kvCacheUsedRatio[slot] ?? 0) / kvCacheUtilThreshold,
      );
    const limit = 1 + headroom;
    return {
      detector: {
        saturation: (endpoints, load, nowMs) => {
          if (endpoints.length === 0) return 1;
          let sum = 0;
          let counted = 0;
          for (const endpoint of endpoints) {
            const isKnown = isFresh(endpoint, load, nowMs);
            if (!isKnown && !countsStale) continue;
            sum += isKnown ? fullnessOf(endpoint, load) : 1;
            counted += 1;
          }
          return counted === 0 ? 0 : sum / counted;
        },
        stale: {
          detector: name,
          count: (endpoints, load, nowMs) =>
            endpoints.filter((endpoint) => !isFresh(endpoint, load, nowMs)).length,
        },
      },
      filter: {
        filter: (context, candidates) => {
          const { endpoints, load, nowMs } = context;
          // Records of decisions lack the times at which signals were due.
          const staleIds = recalled(context, `${name} stale`, () =>
            endpoints.filter((endpoint) => !isFresh(endpoint, load, nowMs)).map(({ id }) => id),
          );
          const stale = new Set(staleIds);
          const kept = candidates.filter(
            (endpoint) => !stale.has(endpoint.id) && fullnessOf(endpoint, load) < limit,
          );
          return kept.length === 0 ? candidates : kept;
        },
      },
    };
  },
});

function isCount(value: number | undefined): boolean {
  return value !== undefined && value >= 0 && Number.isFinite(value);
}
