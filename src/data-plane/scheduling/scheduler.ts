import type { Outcome } from "../../core/decision.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LoadSnapshot } from "../../core/load.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { ProfileHandler } from "./plugin.ts";
import { type ProfileResult, runProfile, type SchedulingProfile, Scratch } from "./profile.ts";
import { endpointsInSubset } from "./subset.ts";

/** Everything a configuration says about scheduling, built and ready to run. */
export interface SchedulingGraph {
  readonly profiles: ReadonlyMap<string, SchedulingProfile>;
  readonly handler: ProfileHandler;
}

export interface SchedulerOptions {
  /** Ignores the gateway's subset hint. */
  readonly ignoresSubset: boolean;
}

/** Where one request goes, from what is known at this instant: no I/O, no clock. */
export type Scheduler = (
  request: InferenceRequest,
  endpoints: readonly Endpoint[],
  load: LoadSnapshot,
) => Outcome;

export function createScheduler(graph: SchedulingGraph, options: SchedulerOptions): Scheduler {
  const profileNames = [...graph.profiles.keys()];
  const scratch = new Scratch();

  return (request, endpoints, load) => {
    const subset = options.ignoresSubset ? undefined : request.head.subset;
    const candidates = subset === undefined ? endpoints : endpointsInSubset(endpoints, subset);
    if (candidates.length === 0) return noCandidates(endpoints.length);

    const context = { request, load };
    const results = new Map<string, ProfileResult>();
    for (;;) {
      const name = graph.handler.next(context, profileNames, [...results.keys()]);
      const profile = name === undefined ? undefined : graph.profiles.get(name);
      // A profile runs once: a handler that asks for it again has nothing new to learn.
      if (profile === undefined || results.has(profile.name)) break;
      results.set(profile.name, runProfile(profile, context, { endpoints: candidates, scratch }));
    }
    return outcomeOf(graph.handler.primary([...results.keys()]), results, candidates.length);
  };
}

function outcomeOf(
  primary: string | undefined,
  results: ReadonlyMap<string, ProfileResult>,
  candidateCount: number,
): Outcome {
  const result = primary === undefined ? undefined : results.get(primary);
  if (primary === undefined || result?.kind !== "picked") {
    return {
      kind: "refused",
      refusal: { code: "saturated", message: "no endpoint suits this request now" },
    };
  }
  const { endpoints, score } = result;
  return { kind: "routed", decision: { endpoints, profile: primary, candidateCount, score } };
}

function noCandidates(endpointCount: number): Outcome {
  const message =
    endpointCount === 0
      ? "no model server is ready"
      : "no model server of the gateway's subset is ready";
  return { kind: "refused", refusal: { code: "no_endpoints", message } };
}
