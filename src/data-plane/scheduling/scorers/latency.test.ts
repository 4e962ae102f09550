import { describe, expect, it } from "vitest";
import type { Headrooms } from "../../../core/latency-prediction.ts";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import {
  aContext,
  aHead,
  aLoad,
  aPrediction,
  aRequest,
  endpoints,
  type LoadRow,
} from "#test/support/builders.ts";
import { buildScorer, mistakesIn } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { latencyScorer } from "./latency.ts";

interface Case {
  /** Headrooms of TTFT and TPOT, by slot; undefined without a prediction. */
  readonly headrooms: readonly (readonly [ttftMs: number, tpotMs: number] | undefined)[];
  readonly parameters?: object;
  /** The parts that the client names. */
  readonly names?: readonly ("ttft" | "tpot")[];
  readonly load?: readonly LoadRow[];
}

function scorerOf({ headrooms, parameters = {} }: Case) {
  const prediction = aPrediction({
    headrooms: (slot): Headrooms | undefined => {
      const [ttftMs, tpotMs] = headrooms[slot] ?? [];
      return ttftMs === undefined || tpotMs === undefined ? undefined : { ttftMs, tpotMs };
    },
  });
  const deps = pluginDeps({ data: { "latency-prediction": prediction } });
  return buildScorer(latencyScorer, parameters, deps);
}

function scoresOf(of: Case): readonly number[] {
  const { headrooms, names = ["ttft", "tpot"] } = of;
  const headers = new Map(names.map((name) => [`x-llm-d-slo-${name}-ms`, "100"]));
  const busy = headrooms.map(() => ({ inFlightRequests: 1 }));
  const load = aLoad(of.load ?? busy);
  const context = aContext({ request: aRequest({ head: aHead({ headers }) }), load });
  return scoresIn(scorerOf(of), context, endpoints(headrooms.length));
}

describe("latency-scorer", () => {
  itKeepsTheScorerContract(
    scorerOf({
      headrooms: [
        [5, 5],
        [-5, 3],
        [1, 1],
      ],
    }),
  );

  it("prefers the endpoint that meets the objective with the least headroom", () => {
    // Of TTFT: 1 - (30 - 10)/(50 - 10) = 0.5, and TPOT has no range.
    expect(
      scoresOf({
        headrooms: [
          [10, 5],
          [30, 5],
          [50, 5],
        ],
      }),
    ).toEqual([1, 0.51, 0.01]);
  });

  it("prefers the one with the most headroom if told to", () => {
    const parameters = { headroomSelectionStrategy: "most" };
    const headrooms = [
      [10, 5],
      [30, 5],
      [50, 5],
    ] as const;
    expect(scoresOf({ headrooms, parameters })).toEqual([0.01, 0.51, 1]);
    // Of those that miss it, the one that misses it least.
    const late = [
      [-10, -5],
      [-50, -5],
    ] as const;
    expect(scoresOf({ headrooms: late, parameters })).toEqual([1, 0.01]);
  });

  it("weighs the two parts: 0.8 x 1 + 0.2 x 0 and 0.8 x 0 + 0.2 x 1", () => {
    const headrooms = [
      [10, 9],
      [50, 1],
    ] as const;
    expect(scoresOf({ headrooms })).toEqual([0.81, 0.21]);
    const even = { ttftWeight: 3, tpotWeight: 3 };
    expect(scoresOf({ headrooms, parameters: even })).toEqual([0.51, 0.51]);
    // Without any weight TTFT counts alone.
    const none = { ttftWeight: 0, tpotWeight: 0 };
    expect(scoresOf({ headrooms, parameters: none })).toEqual([1, 0.01]);
  });

  it("gives a part that is equal everywhere no weight, and equal endpoints equal scores", () => {
    const equalTtft = [
      [10, 9],
      [10, 1],
    ] as const;
    expect(scoresOf({ headrooms: equalTtft })).toEqual([0.01, 1]);
    const equal = [
      [10, 1],
      [10, 1],
    ] as const;
    expect(scoresOf({ headrooms: equal })).toEqual([0.51, 0.51]);
  });

  it.each([
    { group: "meet it", best: [5, 5], others: [-1, 5] },
    { group: "meet it", best: [5, 5], others: [5, -1] },
    { group: "miss only TPOT", best: [9, -9], others: [-1, 5] },
    { group: "miss only TTFT", best: [-9, 9], others: [-1, -1] },
  ] as const)("scores only the endpoints that $group next to $others", ({ best, others }) => {
    expect(scoresOf({ headrooms: [others, best] })).toEqual([0, 0.51]);
  });

  it("scores only idle endpoints if none meets the objective", () => {
    const load = [{ inFlightRequests: 1 }, { inFlightRequests: 0 }, { inFlightRequests: 0 }];
    const late = [
      [-1, 5],
      [-50, -50],
      [-90, -50],
    ] as const;
    expect(scoresOf({ headrooms: late, load })).toEqual([0, 1, 0.01]);
    // One that meets it is better than an idle one.
    const one = [[1, 1], ...late.slice(1)] as const;
    expect(scoresOf({ headrooms: one, load })).toEqual([0.51, 0, 0]);
  });

  it("prefers the shortest predicted latency if the client names no objective", () => {
    const headrooms = [
      [-10, -9],
      [-30, -9],
      [-50, -9],
    ] as const;
    expect(scoresOf({ headrooms, names: [] })).toEqual([1, 0.51, 0.01]);
  });

  it("takes no part for missed that the client did not name", () => {
    const headrooms = [
      [20, -9],
      [-1, -9],
      [60, -9],
    ] as const;
    expect(scoresOf({ headrooms, names: ["ttft"] })).toEqual([1, 0, 0.01]);
    // Less of it is better, whatever the strategy.
    const most = {
      headrooms: [
        [20, -9],
        [20, -30],
      ],
      names: ["ttft"],
      parameters: { headroomSelectionStrategy: "most" },
    } as const;
    expect(scoresOf(most)).toEqual([1, 0.01]);
  });

  it("scores an endpoint without a prediction 0 next to one that has any", () => {
    expect(scoresOf({ headrooms: [undefined, [-90, -90]] })).toEqual([0, 0.51]);
    expect(scoresOf({ headrooms: [undefined, [1, 1]] })).toEqual([0, 0.51]);
  });
});

function composite(load: readonly LoadRow[], parameters: object = {}): readonly number[] {
  const match = aPrefixMatch({ totalBlocks: 4, matchedBlocks: [4, 0] });
  const deps = pluginDeps({ data: { "prefix-match": match } });
  const scorer = buildScorer(latencyScorer, parameters, deps);
  return scoresIn(scorer, aContext({ load: aLoad(load) }), endpoints(load.length));
}

describe("without predictions, latency-scorer", () => {
  const rows = [
    { kvCacheUsedRatio: 0.4, waitingRequests: 4 },
    { kvCacheUsedRatio: 0.1, waitingRequests: 1 },
  ];

  it("blends free KV cache, queue and prefix", () => {
    // (0.6 + 0 + 1)/3 and (0.9 + 0.75 + 0)/3
    expect(composite(rows)).toEqual([0.53, 0.55]);
  });

  it("weighs them, and takes the KV cache alone without weights", () => {
    const queueOnly = { compositeKVWeight: 0, compositePrefixWeight: 0, compositeQueueWeight: 7 };
    expect(composite(rows, queueOnly)).toEqual([0, 0.75]);
    expect(composite(rows, { ...queueOnly, compositeQueueWeight: 0 })).toEqual([0.6, 0.9]);
  });

  it("takes half for a signal that is unknown", () => {
    // (0.5 + 0.5 + 1)/3 and (0.9 + 0 + 0)/3
    expect(composite([{}, { kvCacheUsedRatio: 0.1, waitingRequests: 2 }])).toEqual([0.67, 0.3]);
  });
});

it("refuses weights below 0 and unknown strategies", () => {
  expect(
    mistakesIn(latencyScorer, { ttftWeight: -1, headroomSelectionStrategy: "best" }),
  ).toHaveLength(2);
});
