import type { Scorer, SchedulingContext } from "../../../src/core/data-plane-plugin.ts";
import type { Endpoint } from "../../../src/core/endpoint.ts";

/** Scores 1 for the endpoints of the lowest cost and 0 for others; the picker draws among equals. */
export function leastCost(
  costOf: (endpoint: Endpoint, context: SchedulingContext) => number,
): Scorer {
  return {
    score: (context, candidates, scores) => {
      let least = Number.POSITIVE_INFINITY;
      for (const [index, endpoint] of candidates.entries()) {
        const cost = costOf(endpoint, context);
        scores[index] = cost;
        if (cost < least) least = cost;
      }
      for (let index = 0; index < candidates.length; index += 1) {
        scores[index] = scores[index] === least ? 1 : 0;
      }
    },
  };
}

/** Scores 1 for one endpoint, which `choose` names, and 0 for others. */
export function chosen(
  choose: (candidates: readonly Endpoint[], context: SchedulingContext) => Endpoint | undefined,
): Scorer {
  return {
    score: (context, candidates, scores) => {
      const choice = choose(candidates, context);
      for (const [index, endpoint] of candidates.entries()) {
        scores[index] = endpoint === choice ? 1 : 0;
      }
    },
  };
}

export function inFlight({ slot }: Endpoint, { load }: SchedulingContext): number {
  return load.inFlightRequests[slot] ?? 0;
}
