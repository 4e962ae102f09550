import { z } from "zod";
import { declared } from "../../core/plugin.ts";

/** Policies of evictions: accepted, with no effect. */
export const evictionPolicies = [
  declared({
    type: "sheddable-eviction-filter",
    kinds: ["eviction-policy"],
    summary:
      "Allows eviction only of requests of a priority below 0. Accepted, with no effect: running requests are not evicted yet.",
    params: z.strictObject({}),
    create: () => ({}),
  }),
  declared({
    type: "priority-then-time-eviction-order-policy",
    kinds: ["eviction-policy"],
    summary:
      "Evicts the lowest priority first, and of those the newest request. Accepted, with no effect: running requests are not evicted yet.",
    params: z.strictObject({}),
    create: () => ({}),
  }),
] as const;
