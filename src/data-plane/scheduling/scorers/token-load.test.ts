import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { anInFlightLoad } from "#test/support/request-data.ts";
import { tokenLoadScorer } from "./token-load.ts";

interface Tokens {
  readonly tokens?: readonly number[];
  readonly uncachedTokens?: readonly number[];
}

const scorerFor = (tokens: Tokens, parameters: unknown = {}) =>
  buildScorer(
    tokenLoadScorer,
    parameters,
    pluginDeps({ data: { "in-flight-load": anInFlightLoad(tokens) } }),
  );

const scoresFor = (tokens: Tokens, parameters: unknown = { queueThresholdTokens: 1_000 }) =>
  scoresByRow(scorerFor(tokens, parameters), aLoad([{}, {}, {}]));

describe("token-load-scorer", () => {
  itKeepsTheScorerContract(scorerFor({ tokens: [5, 10, 1e9], uncachedTokens: [1, 1, 1] }));
  itKeepsTheScorerContract(buildScorer(tokenLoadScorer));

  it("scores the tokens in flight on a scale that ends at the threshold", () => {
    // 1 - 0/1000, 1 - 250/1000, 1 - 1000/1000
    expect(scoresFor({ tokens: [0, 250, 1_000] })).toEqual([1, 0.75, 0]);
  });

  it("adds the tokens of the request itself", () => {
    // 1 - (0 + 500)/1000, 1 - (250 + 0)/1000, 1 - (300 + 100)/1000
    expect(scoresFor({ tokens: [0, 250, 300], uncachedTokens: [500, 0, 100] })).toEqual([
      0.5, 0.75, 0.6,
    ]);
  });

  it("scores work beyond the threshold 0", () => {
    expect(scoresFor({ tokens: [1_001, 1e12, Infinity] })).toEqual([0, 0, 0]);
  });

  it("has a threshold of 4194304 tokens by default", () => {
    // 1 - 1048576/4194304
    expect(scoresFor({ tokens: [1_048_576] }, {})[0]).toBe(0.75);
  });

  it("scores 0.5 without a producer's counts", () => {
    expect(scoresByRow(buildScorer(tokenLoadScorer), aLoad([{}, {}]))).toEqual([0.5, 0.5]);
    expect(scoresFor({ tokens: [Number.NaN] })[0]).toBe(0.5);
  });

  it.each([
    { queueThresholdTokens: 0 },
    { queueThresholdTokens: -5 },
    { queueThresholdTokens: 0.5 },
    { queueThreshold: 5 },
  ])("refuses %j", (parameters) => {
    expect(tokenLoadScorer.load(parameters).kind).toBe("invalid");
  });

  it.each([
    { parameters: {}, producer: undefined },
    { parameters: { inFlightLoadProducerName: "mine" }, producer: "mine" },
  ])("needs the load that $producer counts with $parameters", ({ parameters, producer }) => {
    expect(tokenLoadScorer.load(parameters)).toMatchObject({
      needs: [{ data: "in-flight-load", producer, path: ["inFlightLoadProducerName"] }],
    });
  });
});
