import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import {
  type DataReader,
  filterPlugin,
  type SchedulingContext,
} from "../../../core/data-plane-plugin.ts";

const condition = z
  .strictObject({
    metric: z
      .enum(["active-requests", "running-requests", "waiting-queue", "kv-cache-utilization"])
      .meta({
        description:
          "`active-requests`: sent by this picker and not seen finish; `running-requests` and `waiting-queue`: as the engine reports; `kv-cache-utilization`: used share of the KV cache, 0 to 1.",
      }),
    maxValue: z.number().min(0).meta({
      description: "An endpoint is kept up to this value.",
      unit: "requests, or a ratio for kv-cache-utilization",
      tune: "Set it to the value at which an engine starts to miss its latency goal.",
    }),
  })
  .refine(({ metric, maxValue }) => metric !== "kv-cache-utilization" || maxValue <= 1, {
    path: ["maxValue"],
    message: "must be at most 1: kv-cache-utilization is a share of the cache",
  });

const params = z.strictObject({
  conditions: z.array(condition).min(1).meta({
    description: "Conditions that an endpoint must meet, all of them.",
  }),
  fallbackOnEmpty: z.boolean().default(false).meta({
    description: "Keeps all candidates if none meets the conditions.",
    tune: "Set to true if a slow response is better than a refusal.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "The producer of the in-flight load that `active-requests` reads.",
  }),
});

type Metric = z.infer<typeof condition>["metric"];

/** The engine's signal for each metric; `active-requests` has none, because it is our own count. */
const signalOf: Readonly<Partial<Record<Metric, string>>> = {
  "running-requests": loadSignalLabels.runningRequests,
  "waiting-queue": loadSignalLabels.waitingRequests,
  "kv-cache-utilization": loadSignalLabels.kvCacheUsedRatio,
};

/** Drops the endpoints that are above a limit. An unknown value drops no endpoint. */
export const utilizationFilter = filterPlugin({
  type: "utilization-filter",
  summary:
    "Keeps endpoints that meet every condition `metric <= maxValue`. An endpoint whose metric is unknown is kept. If no endpoint meets them, the request is refused with 429, or with `fallbackOnEmpty` all candidates are kept. For hard limits; scorers spread load without them.",
  params,
  needs: ({ conditions, inFlightLoadProducerName: producer }) =>
    conditions.some(({ metric }) => metric === "active-requests")
      ? [{ kind: "data", data: "in-flight-load", producer, path: ["inFlightLoadProducerName"] }]
      : [],
  signals: ({ conditions }) => conditions.flatMap(({ metric }) => signalOf[metric] ?? []),
  create: ({ conditions, fallbackOnEmpty, inFlightLoadProducerName }, deps) => {
    const loadOf = conditions.some(({ metric }) => metric === "active-requests")
      ? deps.reader("in-flight-load", inFlightLoadProducerName)
      : () => undefined;
    return {
      filter: (context, candidates) => {
        const readings = conditions.map(({ metric, maxValue }) => ({
          valueOf: readingOf(metric, context, loadOf),
          maxValue,
        }));
        const kept = candidates.filter(({ slot }) =>
          // An unknown value is never above a limit.
          readings.every(({ valueOf, maxValue }) => !isAbove(valueOf(slot), maxValue)),
        );
        return kept.length === 0 && fallbackOnEmpty ? candidates : kept;
      },
    };
  },
});

function readingOf(
  metric: Metric,
  context: SchedulingContext,
  loadOf: DataReader<"in-flight-load">,
): (slot: Endpoint["slot"]) => number | undefined {
  const { load } = context;
  switch (metric) {
    case "active-requests": {
      const inFlight = loadOf(context);
      return (slot) => inFlight?.requests(slot);
    }
    case "running-requests":
      return (slot) => load.runningRequests[slot];
    case "waiting-queue":
      return (slot) => load.waitingRequests[slot];
    case "kv-cache-utilization":
      return (slot) => load.kvCacheUsedRatio[slot];
  }
}

/** False if the value is unknown or not finite. */
function isAbove(value: number | undefined, max: number): boolean {
  return value !== undefined && Number.isFinite(value) && value > max;
}
