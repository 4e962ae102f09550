import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, aPrediction, endpoints } from "#test/support/builders.ts";
import { buildFilter, mistakesIn, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { anInFlightLoad, aPrefixMatch } from "#test/support/request-data.ts";
import { prefixCacheAffinityFilter } from "./prefix-cache-affinity.ts";

interface Case {
  readonly parameters?: object;
  /** Cached blocks of 10, by slot; undefined if unknown. */
  readonly matchedBlocks?: readonly number[] | undefined;
  readonly totalBlocks?: number;
  readonly tokens?: readonly number[];
  readonly chance?: number;
}

function filterOf({ parameters = {}, chance = 0.5, totalBlocks = 10, ...found }: Case) {
  const { matchedBlocks, tokens } = found;
  const data = {
    ...(matchedBlocks && { "prefix-match": aPrefixMatch({ totalBlocks, matchedBlocks }) }),
    ...(tokens && { "in-flight-load": anInFlightLoad({ tokens }) }),
  };
  const deps = pluginDeps({ data, random: () => chance });
  return buildFilter(prefixCacheAffinityFilter, parameters, deps);
}

/** Slots of the endpoints that stay, of three. */
const slotsKept = (of: Case) =>
  filterOf(of)
    .filter(aContext(), endpoints(3))
    .map(({ slot }) => slot);

const everybody = [0, 1, 2];
const byPrediction = { ttftSource: "latencyPredictor" };

describe("prefix-cache-affinity-filter", () => {
  itKeepsTheFilterContract(filterOf({ matchedBlocks: [9, 1, 8], tokens: [0, 0, 100_000] }));

  it("keeps the endpoints that hold enough of the prompt", () => {
    // 9 / 10 and 8 / 10 are at least 0.8, 7 / 10 is not.
    expect(slotsKept({ matchedBlocks: [9, 7, 8] })).toEqual([0, 2]);
    expect(slotsKept({ matchedBlocks: [9, 7, 8], parameters: { affinityThreshold: 0.9 } })).toEqual(
      [0],
    );
  });

  it.each([
    { what: "no endpoint holds enough", matchedBlocks: [7, 7, 0] },
    { what: "every endpoint holds enough", matchedBlocks: [8, 9, 10] },
    { what: "nothing is known", matchedBlocks: undefined },
    { what: "the prompt has no blocks", matchedBlocks: [0, 0, 0], totalBlocks: 0 },
    { what: "the threshold is 0", matchedBlocks: [9, 0, 0], parameters: { affinityThreshold: 0 } },
    { what: "it is below 0", matchedBlocks: [9, 0, 0], parameters: { affinityThreshold: -1 } },
  ])("keeps all candidates if $what", (of) => {
    expect(slotsKept(of)).toEqual(everybody);
  });

  it("keeps a single candidate in any case", () => {
    expect(filterOf({ matchedBlocks: [0] }).filter(aContext(), endpoints(1))).toHaveLength(1);
  });

  it("keeps all candidates with the probability of exploration", () => {
    const parameters = { explorationProbability: 0.25 };
    expect(slotsKept({ matchedBlocks: [9, 0, 0], parameters, chance: 0.24 })).toEqual(everybody);
    expect(slotsKept({ matchedBlocks: [9, 0, 0], parameters, chance: 0.25 })).toEqual([0]);
    expect(slotsKept({ matchedBlocks: [9, 0, 0], chance: 0 })).toEqual([0]);
  });

  it.each([
    // Best sticky 30,000 / 1,000 x 1,000 = 30,000 ms, best other 20,000: 10,000 is no more than 10,000.
    { tokens: [30_000, 40_000, 20_000], kept: [0, 1] },
    // 30,001 - 20,000 ms = 10,001 ms
    { tokens: [30_001, 40_000, 20_000], kept: everybody },
    // The better one of the sticky endpoints is used: 15,000 - 20,000 < 0.
    { tokens: [90_000, 15_000, 20_000], kept: [0, 1] },
  ])("keeps $kept with $tokens tokens in flight at 1,000 a second", ({ tokens, kept }) => {
    const parameters = { peakPrefillThroughput: 1_000, maxTTFTPenaltyMs: 10_000 };
    expect(slotsKept({ matchedBlocks: [9, 9, 0], tokens, parameters })).toEqual(kept);
  });

  it("keeps only the sticky ones at any cost if the penalty is 0", () => {
    const parameters = { maxTTFTPenaltyMs: 0, peakPrefillThroughput: 0 };
    const tokens = [1e9, 0, 0];
    expect(slotsKept({ matchedBlocks: [9, 0, 0], tokens, parameters })).toEqual([0]);
  });

  it("keeps only the sticky ones if no load is known", () => {
    expect(slotsKept({ matchedBlocks: [9, 0, 0] })).toEqual([0]);
  });

  it("needs matches, and the load only if times are compared", () => {
    const named = { prefixMatchInfoProducerName: "p", inFlightLoadProducerName: "l" };
    expect(needsOf(prefixCacheAffinityFilter, named)).toMatchObject([
      { data: "prefix-match", producer: "p" },
      { data: "in-flight-load", producer: "l" },
    ]);
    expect(needsOf(prefixCacheAffinityFilter, { maxTTFTPenaltyMs: 0 })).toHaveLength(1);
  });

  it("has the peer's defaults", () => {
    expect(prefixCacheAffinityFilter.load({})).toMatchObject({
      parameters: {
        affinityThreshold: 0.8,
        explorationProbability: 0,
        maxTTFTPenaltyMs: 18_000,
        ttftSource: "prefillThroughput",
        peakPrefillThroughput: 15_928,
      },
    });
  });

  it.each([
    { ttftMs: [1_000, 1_500, 700], kept: [0, 1] },
    // 1,001 - 700 > 300
    { ttftMs: [1_001, 1_500, 700], kept: everybody },
    { ttftMs: [5_000, 950, 700], kept: [0, 1] },
    // An endpoint without a prediction is never the fastest.
    { ttftMs: [Number.NaN, 1_500, 700], kept: everybody },
    { ttftMs: [5_000, 1_500, Number.NaN], kept: [0, 1] },
  ])("keeps $kept if $ttftMs ms are predicted", ({ ttftMs, kept }) => {
    const prediction = aPrediction({ ttftMs: (slot) => ttftMs[slot] ?? Number.NaN });
    const match = aPrefixMatch({ totalBlocks: 10, matchedBlocks: [9, 8, 0] });
    const data = { "prefix-match": match, "latency-prediction": prediction };
    const filter = buildFilter(
      prefixCacheAffinityFilter,
      { ...byPrediction, maxTTFTPenaltyMs: 300 },
      pluginDeps({ data, random: () => 0.5 }),
    );
    expect(filter.filter(aContext(), endpoints(3)).map(({ slot }) => slot)).toEqual(kept);
  });

  it("needs predictions in place of the load if it compares predicted times", () => {
    const parameters = { ...byPrediction, latencyPredictionInfoProducerName: "mine" };
    expect(needsOf(prefixCacheAffinityFilter, parameters)).toMatchObject([
      { data: "prefix-match" },
      { data: "latency-prediction", producer: "mine" },
    ]);
    const noTimes = { ...parameters, maxTTFTPenaltyMs: 0 };
    expect(needsOf(prefixCacheAffinityFilter, noTimes)).toHaveLength(1);
    const noThroughput = { ...byPrediction, peakPrefillThroughput: 0 };
    expect(mistakesIn(prefixCacheAffinityFilter, noThroughput)).toEqual([]);
  });

  it.each([
    { affinityThreshold: 1.1 },
    { explorationProbability: -0.1 },
    { explorationProbability: 1.1 },
    { maxTTFTPenaltyMs: -1 },
    { peakPrefillThroughput: -1 },
    { peakPrefillThroughput: 0 },
    { ttftSource: "" },
    { threshold: 0.8 },
  ])("refuses %j", (parameters) => {
    expect(prefixCacheAffinityFilter.load(parameters).kind).toBe("invalid");
  });
});
