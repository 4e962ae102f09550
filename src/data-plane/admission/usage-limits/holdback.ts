import { z } from "zod";
import { usageLimitPolicyPlugin } from "../../../core/data-plane-plugin.ts";

const params = z
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
      tune: "Lower it to keep more room for higher bands.",
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

/** Ceilings that fall from the highest band to the lowest. */
export const priorityHoldback = usageLimitPolicyPlugin({
  type: "priority-holdback-policy",
  summary:
    "Makes lower bands wait at a lower saturation: ceilings fall from `maxCeiling` for the highest band to `minCeiling` for the lowest, evenly by rank, or by the distance of their priorities.",
  params,
  create: ({ domain, minCeiling, maxCeiling }) => ({
    limit: (_saturation, priorities, ceilings) => {
      const lowest = priorities.at(-1) ?? 0;
      const span = (priorities[0] ?? 0) - lowest;
      const last = priorities.length - 1;
      for (const [index, priority] of priorities.entries()) {
        const byRank = last === 0 ? 1 : 1 - index / last;
        const byValue = span === 0 ? 1 : (priority - lowest) / span;
        const height = domain === "rank" ? byRank : byValue;
        ceilings[index] = minCeiling + height * (maxCeiling - minCeiling);
      }
    },
  }),
});
