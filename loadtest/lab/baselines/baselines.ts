import type { Baseline } from "../policies.ts";
import type { LabView } from "../../../src/replay/lab/policy.ts";
import { Greedy } from "./greedy.ts";
import { boundedHash, dualMap, sessionHash } from "./hashing.ts";
import { chosen, inFlight, leastCost } from "./least-cost.ts";
import { dynamo, lmetric } from "./own-state.ts";
import { trueState } from "./true-state.ts";

/** Policies that only the lab has, to compare with. */
export const baselines: Readonly<Record<string, Baseline>> = {
  random: {
    summary: "any endpoint",
    policy: () => ({ scorer: leastCost(() => 0) }),
  },
  "round-robin": {
    summary: "one endpoint after another",
    policy: () => ({ scorer: roundRobin() }),
  },
  least: {
    summary: "the endpoint with the fewest requests in flight",
    policy: () => ({ scorer: leastCost(inFlight) }),
  },
  p2c: {
    summary: "of two random endpoints the one with fewer requests in flight",
    policy: (view) => ({ scorer: twoChoices(view) }),
  },
  chwbl: {
    summary: "consistent hashing of the prompt's beginning, with bounded load",
    policy: (view) => ({ scorer: boundedHash(view) }),
  },
  "session-hash": {
    summary: "the endpoint that the conversation hashes to",
    policy: (view) => ({ scorer: sessionHash(view) }),
  },
  dualmap: {
    summary: "of the two endpoints that the prompt's beginning hashes to the less loaded one",
    policy: (view) => ({ scorer: dualMap(view) }),
  },
  lmetric: {
    summary: "LMetric: tokens to compute x batch size",
    policy: () => ({ scorer: lmetric() }),
  },
  dynamo: {
    summary: "Dynamo's cost: tokens to compute + tokens held",
    policy: () => ({ scorer: dynamo() }),
  },
  greedy: {
    summary: "the shortest time by what the picker has sent, with learned rates",
    policy: (view) => new Greedy(view),
  },
  "g-true": {
    summary: "the shortest time by the engines' true state: uncached parts of waiting prompts",
    policy: (view) => ({ scorer: trueState(view, (engine) => engine.workTokens()) }),
  },
  oracle: {
    summary: "the same with whole waiting prompts",
    policy: (view) => ({ scorer: trueState(view, (engine) => engine.wholeWorkTokens()) }),
  },
};

function roundRobin() {
  let turn = 0;
  return chosen((candidates) => {
    turn += 1;
    return candidates[turn % candidates.length];
  });
}

function twoChoices({ random }: LabView) {
  return chosen((candidates, context) => {
    const first = Math.floor(random() * candidates.length);
    const other = Math.floor(random() * (candidates.length - 1));
    const one = candidates[first];
    // Any of those that are left.
    const two = candidates[other < first ? other : other + 1];
    if (one === undefined || two === undefined) return one;
    return inFlight(two, context) < inFlight(one, context) ? two : one;
  });
}
