import { z } from "zod";
import { orderingPolicyPlugin } from "../../../core/data-plane-plugin.ts";
import type { QueuedRequest } from "../../../core/flow-control.ts";
import { earlier } from "./earlier.ts";

/** Orders requests by the end of their time in the queue. */
export const edfOrdering = orderingPolicyPlugin({
  type: "edf-ordering-policy",
  summary:
    "Serves the request first whose time in the queue ends first: `defaultRequestTTL` of its band, or the header `x-llm-d-inference-ttl` if that is shorter. Requests without a limit come last.",
  params: z.strictObject({}),
  create: () => ({
    compare: (a, b) => earlier(endMs(a), endMs(b)) || a.enqueuedMs - b.enqueuedMs,
  }),
});

function endMs({ enqueuedMs, ttlMs }: QueuedRequest): number {
  return enqueuedMs + ttlMs;
}
