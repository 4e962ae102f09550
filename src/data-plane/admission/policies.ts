import { z } from "zod";
import { declared, type PluginKind } from "../../core/plugin.ts";

/** Summary of every policy until flow control is built. */
const withFlowControl =
  "Accepted and validated; takes effect with flow control, which is not built yet.";

/** Declares a policy of flow control: its parameters are checked, but have no effect yet. */
function policy<P>(spec: {
  readonly type: string;
  readonly kind: PluginKind;
  readonly does: string;
  readonly params: z.ZodType<P>;
}) {
  const { type, kind, does, params } = spec;
  return declared({
    type,
    kinds: [kind],
    summary: `${does} ${withFlowControl}`,
    params,
    create: () => ({}),
  });
}

const nothing = z.strictObject({});

const programAware = z.strictObject({
  strategy: z.literal("las").default("las").meta({ description: "Least attained service." }),
  evictionTtlSeconds: z.number().min(0).default(3_600).meta({
    unit: "seconds",
    description: "Time after which an idle program is forgotten.",
  }),
  evictionSweepSeconds: z.number().gt(0).default(300).meta({
    unit: "seconds",
    description: "Interval between checks for idle programs.",
  }),
  lasWeightService: z.number().min(0).default(0.8).meta({
    description: "Weight of the service that a program has received.",
  }),
  lasWeightHeadWait: z.number().min(0).default(0.2).meta({
    description: "Weight of the waiting time of its first request.",
  }),
  lasHalfLifeSeconds: z.number().min(0).default(60).meta({
    unit: "seconds",
    description: "Half-life of past service; 0 for no decay.",
  }),
});

const holdback = z
  .strictObject({
    shape: z
      .literal("linear")
      .default("linear")
      .meta({ description: "Curve by which ceilings fall." }),
    domain: z.enum(["rank", "value"]).default("rank").meta({
      description: "Spaces bands by their order or by their priorities.",
    }),
    minCeiling: z.number().min(0).lt(1).meta({
      unit: "ratio",
      description: "Ceiling of the lowest band.",
    }),
    maxCeiling: z.number().gt(0).max(1).default(1).meta({
      unit: "ratio",
      description: "Ceiling of the highest band.",
    }),
  })
  .refine(({ minCeiling, maxCeiling }) => minCeiling < maxCeiling, {
    path: ["minCeiling"],
    message: "must be below maxCeiling",
  });

/** Every policy type that a document may name. */
export const policyPlugins = [
  policy({
    type: "global-strict-fairness-policy",
    kind: "fairness-policy",
    does: "Serves the best first request over all flows.",
    params: nothing,
  }),
  policy({
    type: "round-robin-fairness-policy",
    kind: "fairness-policy",
    does: "Serves flows that have requests in turn.",
    params: nothing,
  }),
  policy({
    type: "program-aware-fairness",
    kind: "fairness-policy",
    does: "Serves the programs first that have received the least service.",
    params: programAware,
  }),
  policy({
    type: "fcfs-ordering-policy",
    kind: "ordering-policy",
    does: "Serves requests in order of arrival.",
    params: nothing,
  }),
  policy({
    type: "edf-ordering-policy",
    kind: "ordering-policy",
    does: "Serves the request first whose time in the queue ends first.",
    params: nothing,
  }),
  policy({
    type: "slo-deadline-ordering-policy",
    kind: "ordering-policy",
    does: "Serves the request first whose objective for the first token ends first.",
    params: nothing,
  }),
  policy({
    type: "static-usage-limit-policy",
    kind: "usage-limit-policy",
    does: "Applies the same saturation ceiling to all bands.",
    params: z.strictObject({
      threshold: z.number().gt(0).default(1).meta({
        unit: "ratio",
        description: "Saturation from which requests wait.",
      }),
    }),
  }),
  policy({
    type: "priority-holdback-policy",
    kind: "usage-limit-policy",
    does: "Makes lower bands wait at a lower saturation.",
    params: holdback,
  }),
  policy({
    type: "soft-reflective-ceiling-policy",
    kind: "usage-limit-policy",
    does: "Admits lower bands less often the fuller the pool is.",
    params: nothing,
  }),
  policy({
    type: "sheddable-eviction-filter",
    kind: "eviction-policy",
    does: "Allows eviction only of requests of a priority below 0.",
    params: nothing,
  }),
  policy({
    type: "priority-then-time-eviction-order-policy",
    kind: "eviction-policy",
    does: "Evicts the lowest priority first, and of those the newest request.",
    params: nothing,
  }),
] as const;
