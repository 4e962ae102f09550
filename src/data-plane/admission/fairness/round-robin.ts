import { z } from "zod";
import { fairnessPolicyPlugin } from "../../../core/data-plane-plugin.ts";
import type { FlowPicker } from "../../../core/flow-control.ts";

/** Serves the flows of a band in turn. */
export const roundRobinFairness = fairnessPolicyPlugin({
  type: "round-robin-fairness-policy",
  summary:
    "Serves the flows of a band that have requests in turn, in the order of their fairness ids.",
  params: z.strictObject({}),
  create: () => ({ pickerOf: roundRobin }),
});

function roundRobin(): FlowPicker {
  let served: string | undefined;
  return {
    pick: (flows) => {
      const last = served;
      const after = last === undefined ? undefined : flows.find((flow) => flow.fairnessId > last);
      const next = after ?? flows[0];
      served = next?.fairnessId;
      return next;
    },
  };
}
