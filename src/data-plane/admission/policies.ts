import { z } from "zod";
import { declared, type PluginKind } from "../../core/plugin.ts";

/** What is said of every policy until there is a queue for it to rule. */
const withFlowControl =
  "Accepted and checked; it takes effect with flow control, which is not built yet.";

/** A policy of flow control: its parameters are checked, and nothing comes of them yet. */
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
    description: "Time between two looks for idle programs.",
  }),
  lasWeightService: z.number().min(0).default(0.8).meta({
    description: "Weight of the service a program has had.",
  }),
  lasWeightHeadWait: z.number().min(0).default(0.2).meta({
    description: "Weight of the time its first request has waited.",
  }),
  lasHalfLifeSeconds: z.number().min(0).default(60).meta({
    unit: "seconds",
    description: "Time after which service counts half; 0 for never.",
  }),
});

const holdback = z
  .strictObject({
    shape: z.literal("linear").default("linear").meta({ description: "How ceilings fall." }),
    domain: z.enum(["rank", "value"]).default("rank").meta({
      description: "Whether bands count by their order or by their priorities.",
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

/** Every policy that a document may name. */
export const policyPlugins = [
  policy({
    type: "global-strict-fairness-policy",
    kind: "fairness-policy",
    does: "The best first request over all flows goes first.",
    params: nothing,
  }),
  policy({
    type: "round-robin-fairness-policy",
    kind: "fairness-policy",
    does: "Flows that have requests take turns.",
    params: nothing,
  }),
  policy({
    type: "program-aware-fairness",
    kind: "fairness-policy",
    does: "Programs that have had the least service go first.",
    params: programAware,
  }),
  policy({
    type: "fcfs-ordering-policy",
    kind: "ordering-policy",
    does: "First come, first served.",
    params: nothing,
  }),
  policy({
    type: "edf-ordering-policy",
    kind: "ordering-policy",
    does: "The request whose time in the queue ends first goes first.",
    params: nothing,
  }),
  policy({
    type: "slo-deadline-ordering-policy",
    kind: "ordering-policy",
    does: "The request whose objective for the first token ends first goes first.",
    params: nothing,
  }),
  policy({
    type: "static-usage-limit-policy",
    kind: "usage-limit-policy",
    does: "The same ceiling of saturation for all bands.",
    params: z.strictObject({
      threshold: z.number().gt(0).default(1).meta({
        unit: "ratio",
        description: "Saturation from which on requests wait.",
      }),
    }),
  }),
  policy({
    type: "priority-holdback-policy",
    kind: "usage-limit-policy",
    does: "Lower bands wait at a lower saturation.",
    params: holdback,
  }),
  policy({
    type: "soft-reflective-ceiling-policy",
    kind: "usage-limit-policy",
    does: "Lower bands are let through less often the fuller the pool is.",
    params: nothing,
  }),
  policy({
    type: "sheddable-eviction-filter",
    kind: "eviction-policy",
    does: "Only requests of a priority below 0 may be evicted.",
    params: nothing,
  }),
  policy({
    type: "priority-then-time-eviction-order-policy",
    kind: "eviction-policy",
    does: "The lowest priority goes first, of those the newest.",
    params: nothing,
  }),
] as const;
