import { z } from "zod";
import { orderingPolicyPlugin } from "../../../core/data-plane-plugin.ts";

/** Orders requests by their arrival in the queue. */
export const fcfsOrdering = orderingPolicyPlugin({
  type: "fcfs-ordering-policy",
  summary: "Serves the requests of a flow in order of arrival.",
  params: z.strictObject({}),
  create: () => ({ compare: (a, b) => a.enqueuedMs - b.enqueuedMs }),
});
