import type { Endpoint } from "../../../src/core/endpoint.ts";
import type { Scorer } from "../../../src/core/data-plane-plugin.ts";
import type { Baseline } from "../policies.ts";

/** Policies that only the lab has, to compare with. */
export const baselines: Readonly<Record<string, Baseline>> = {
  random: {
    summary: "any endpoint",
    scorer: ({ random }) => leastCost(() => random()),
  },
  least: {
    summary: "the endpoint with the fewest requests in flight",
    scorer: () => leastCost(({ slot }, { load }) => load.inFlightRequests[slot] ?? 0),
  },
};

type CostOf = (endpoint: Endpoint, context: Parameters<Scorer["score"]>[0]) => number;

/** Scores 1 for the endpoints of the lowest cost, 0 for others. */
export function leastCost(costOf: CostOf): Scorer {
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
