import { z } from "zod";
import { declared } from "../../core/plugin.ts";

/** Policies of evictions, which are in force whether or not they are declared. */
export const evictionPolicies = [
  declared({
    type: "sheddable-eviction-filter",
    kinds: ["eviction-policy"],
    summary:
      "Allows eviction only of requests of a priority below 0. Accepted, with no effect of its own: `enableEviction` does so.",
    params: z.strictObject({}),
    create: () => ({}),
  }),
  declared({
    type: "priority-then-time-eviction-order-policy",
    kinds: ["eviction-policy"],
    summary:
      "Evicts the lowest priority first, and of those the newest request. Accepted, with no effect of its own: `enableEviction` does so.",
    params: z.strictObject({}),
    create: () => ({}),
  }),
] as const;
