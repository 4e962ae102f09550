import { z } from "zod";
import { usageLimitPolicyPlugin } from "../../../core/data-plane-plugin.ts";

/** One ceiling for all bands. */
export const staticUsageLimit = usageLimitPolicyPlugin({
  type: "static-usage-limit-policy",
  summary: "Makes requests of all bands wait from the same saturation on.",
  params: z.strictObject({
    threshold: z.number().gt(0).default(1).meta({
      unit: "ratio",
      description: "Saturation from which requests wait.",
      tune: "Lower it to keep shorter queues in the engines.",
    }),
  }),
  create: ({ threshold }) => ({
    limit: (_saturation, _priorities, ceilings) => void ceilings.fill(threshold),
  }),
});
