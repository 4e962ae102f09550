import type { Capabilities } from "../core/data-plane-plugin.ts";
import { fairnessIdOf } from "../core/fairness-id.ts";
import { headerTable, valueOf } from "../core/headers.ts";
import type { Plan } from "../core/plan.ts";
import type { InferenceRequest } from "../core/request.ts";
import { parseDurationMs } from "../std/quantities.ts";
import type { FlowRules } from "./admission/flow/flow-parts.ts";
import type { SchedulingGraph } from "./scheduling/scheduler.ts";

interface BuiltPlugins {
  readonly graph: Pick<SchedulingGraph, "detector">;
  readonly instances: ReadonlyMap<string, Capabilities>;
}

/** The rules of the queue that a plan sets; undefined if flow control is off. */
export function flowRulesOf(
  { flowControl: plan }: Pick<Plan, "flowControl">,
  { graph: { detector }, instances }: BuiltPlugins,
  priorities: () => readonly number[],
): FlowRules | undefined {
  if (plan === undefined) return undefined;
  const usageLimit = instances.get(plan.usageLimit)?.usageLimit;
  if (usageLimit === undefined) throw new Error(`${plan.usageLimit} is not a usage limit policy`);
  return {
    plan,
    detector,
    usageLimit,
    priorities,
    fairnessIdOf,
    askedTtlMsOf,
    policiesOf: (band) => {
      const fairness = instances.get(band.fairness)?.fairness;
      const ordering = instances.get(band.ordering)?.ordering;
      // The document's references were checked.
      if (fairness === undefined) throw new Error(`${band.fairness} is not a fairness policy`);
      if (ordering === undefined) throw new Error(`${band.ordering} is not an ordering policy`);
      return { fairness, ordering };
    },
  };
}

/** The maximum wait that a request asks for, in milliseconds; `Infinity` if its header has no duration above 0. */
function askedTtlMsOf({ head }: InferenceRequest): number {
  const text = valueOf(head.headers, headerTable.inferenceTtl);
  return (text === undefined ? 0 : (parseDurationMs(text.trim()) ?? 0)) || Number.POSITIVE_INFINITY;
}
