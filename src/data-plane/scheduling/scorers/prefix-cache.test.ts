import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { prefixCacheScorer } from "./prefix-cache.ts";

interface Match {
  readonly totalBlocks: number;
  readonly matchedBlocks: readonly number[];
  readonly blockTokens?: number;
}

const scorerFor = (match: Match, parameters: unknown = {}) =>
  buildScorer(
    prefixCacheScorer,
    parameters,
    pluginDeps({ data: { "prefix-match": aPrefixMatch(match) } }),
  );

function scoresFor(match: Match, parameters: unknown = {}) {
  const rows = match.matchedBlocks.map(() => ({}));
  return scoresByRow(scorerFor(match, parameters), aLoad(rows));
}

describe("prefix-cache-scorer", () => {
  const somewhere = {
    totalBlocks: 24,
    matchedBlocks: Array.from({ length: 24 }, (_, slot) => slot),
  };

  itKeepsTheScorerContract(scorerFor(somewhere));
  itKeepsTheScorerContract(buildScorer(prefixCacheScorer));

  it("scores the share of the prompt's blocks that an endpoint has cached", () => {
    // 0 / 8, 2 / 8, 8 / 8
    expect(scoresFor({ totalBlocks: 8, matchedBlocks: [0, 2, 8] })).toEqual([0, 0.25, 1]);
  });

  it("scores 0 without a prompt and without a match", () => {
    expect(scoresFor({ totalBlocks: 0, matchedBlocks: [0, 0] })).toEqual([0, 0]);
    expect(scoresByRow(buildScorer(prefixCacheScorer), aLoad([{}, {}]))).toEqual([0, 0]);
  });

  it("uses each endpoint's own block size", () => {
    // 3 of 4 blocks of 64 tokens, 12 of 16 blocks of 16
    const totals = [4, 16];
    const matched = [3, 12];
    const scorer = buildScorer(
      prefixCacheScorer,
      {},
      pluginDeps({
        data: {
          "prefix-match": {
            totalBlocks: (slot) => totals[slot] ?? 0,
            matchedBlocks: (slot) => matched[slot] ?? 0,
            blockTokens: (slot) => (slot === 0 ? 64 : 16),
          },
        },
      }),
    );
    expect(scoresByRow(scorer, aLoad([{}, {}]))).toEqual([0.75, 0.75]);
  });

  describe("with matchLengthWeight", () => {
    const match = { totalBlocks: 16, matchedBlocks: [0, 4, 8, 16], blockTokens: 64 };

    itKeepsTheScorerContract(
      scorerFor(somewhere, { matchLengthWeight: 0.5, matchLengthScaleTokens: 1 }),
    );

    it("mixes the square of the match's length in", () => {
      // ratio 0, 0.25, 0.5, 1; length 0, (256 / 1024)^2 = 1/16, (512 / 1024)^2 = 1/4, 1
      expect(scoresFor(match, { matchLengthWeight: 1, matchLengthScaleTokens: 1_024 })).toEqual([
        0, 0.0625, 0.25, 1,
      ]);
      // 0.5 x 1/16 + 0.5 x 0.25, 0.5 x 1/4 + 0.5 x 0.5
      expect(scoresFor(match, { matchLengthWeight: 0.5, matchLengthScaleTokens: 1_024 })).toEqual([
        0, 0.15625, 0.375, 1,
      ]);
    });

    it("counts a match beyond the scale as one of the scale", () => {
      // 256, 512 and 1024 tokens on a scale of 256
      expect(scoresFor(match, { matchLengthWeight: 1, matchLengthScaleTokens: 256 })).toEqual([
        0, 1, 1, 1,
      ]);
    });

    it("has a scale of 8192 tokens by default", () => {
      // (64 x 64 / 8192)^2 = 0.25
      const match64 = { totalBlocks: 128, matchedBlocks: [64], blockTokens: 64 };
      expect(scoresFor(match64, { matchLengthWeight: 1 })).toEqual([0.25]);
    });
  });

  it.each([
    { matchLengthWeight: -0.1 },
    { matchLengthWeight: 1.1 },
    { matchLengthWeight: 0.5, matchLengthScaleTokens: 0 },
    { matchLengthScaleTokens: 0.5 },
    { matchLenghtWeight: 0.5 },
  ])("refuses %j", (parameters) => {
    expect(prefixCacheScorer.load(parameters).kind).toBe("invalid");
  });

  it("accepts a scale without effect", () => {
    expect(prefixCacheScorer.load({ matchLengthScaleTokens: 0 }).kind).toBe("loaded");
  });

  it.each([
    { hashBlockSize: 5, maxPrefixBlocksToMatch: 256, lruCapacityPerServer: 31_250 },
    { blockSize: 16, maxPrefixBlocksToMatch: 512, lruCapacityPerServer: 31_250 },
    { autoTune: false, blockSizeTokens: 5, maxPrefixTokensToMatch: 16_384 },
  ])("accepts the older parameters %j, which change nothing", (parameters) => {
    const match = { totalBlocks: 4, matchedBlocks: [1] };
    expect(scoresFor(match, parameters)).toEqual(scoresFor(match));
  });

  it.each([
    { parameters: {}, producer: undefined },
    { parameters: { prefixMatchInfoProducerName: "precise" }, producer: "precise" },
  ])("needs the prefix matches of $producer with $parameters", ({ parameters, producer }) => {
    expect(prefixCacheScorer.load(parameters)).toMatchObject({
      needs: [
        { kind: "data", data: "prefix-match", producer, path: ["prefixMatchInfoProducerName"] },
      ],
    });
  });
});
