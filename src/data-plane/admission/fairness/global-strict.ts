import { z } from "zod";
import { fairnessPolicyPlugin } from "../../../core/data-plane-plugin.ts";

/** Flows do not matter: a band is one queue. */
export const globalStrictFairness = fairnessPolicyPlugin({
  type: "global-strict-fairness-policy",
  summary:
    "Serves the request of a band first that its ordering policy puts first, whatever its flow.",
  params: z.strictObject({}),
  create: () => ({}),
});
