import { z } from "zod";
import { orderingPolicyPlugin } from "../../../core/data-plane-plugin.ts";
import type { QueuedRequest } from "../../../core/flow-control.ts";
import { headerTable, valueOf } from "../../../core/headers.ts";
import { earlier } from "./earlier.ts";

/** Orders requests by the time at which their first token is due. */
export const sloDeadlineOrdering = orderingPolicyPlugin({
  type: "slo-deadline-ordering-policy",
  summary:
    "Serves the request first whose first token is due first: its arrival and the milliseconds of the header `x-llm-d-slo-ttft-ms`. Requests without the header come last, so that they may wait as long as there are others.",
  params: z.strictObject({}),
  create: () => {
    // A header is read once for each request, not for each comparison.
    const deadlines = new WeakMap<QueuedRequest, number>();
    const dueMs = (queued: QueuedRequest) => {
      const known = deadlines.get(queued);
      if (known !== undefined) return known;
      const due = deadlineMsOf(queued);
      deadlines.set(queued, due);
      return due;
    };
    return {
      compare: (a, b) => earlier(dueMs(a), dueMs(b)) || a.receivedMs - b.receivedMs,
    };
  },
});

const wholeNumber = /^\d{1,15}$/u;

function deadlineMsOf({ request, receivedMs }: QueuedRequest): number {
  const value = valueOf(request.head.headers, headerTable.sloTtft)?.trim() ?? "";
  return wholeNumber.test(value) ? receivedMs + Number(value) : Number.POSITIVE_INFINITY;
}
