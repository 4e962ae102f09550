import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildPlugin, buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { contextLengthAware } from "./context-length-aware.ts";

const label = "llm-d.ai/context-length-range";

const depsFor = (tokens: number | undefined) =>
  pluginDeps({ data: tokens === undefined ? {} : { "prompt-tokens": tokens } });
const scorerFor = (tokens: number | undefined) =>
  buildScorer(contextLengthAware, {}, depsFor(tokens));

function filterFor(tokens: number | undefined) {
  const { filter } = buildPlugin(contextLengthAware, { enableFiltering: true }, depsFor(tokens));
  if (filter === undefined) throw new Error("does not filter");
  return filter;
}

const withRange = (range: string, slot = 0) => anEndpoint({ slot, labels: { [label]: range } });
const scoreOf = (tokens: number | undefined, range: string) =>
  scoresIn(scorerFor(tokens), aContext(), [withRange(range)])[0];

describe("context-length-aware", () => {
  itKeepsTheScorerContract(scorerFor(50));
  itKeepsTheScorerContract(scorerFor(undefined));
  itKeepsTheFilterContract(filterFor(50));

  it.each([
    // 0.7 x 1 / (1 + 10000/10000) + 0.3 x (10000 - 0)/10000 = 0.35 + 0.3; 0.3 + 0.7 x 0.65
    { tokens: 0, range: "0-10000", score: 0.755 },
    // 0.35 + 0.3 x 0.5 = 0.5; 0.3 + 0.7 x 0.5
    { tokens: 5_000, range: "0-10000", score: 0.65 },
    // 0.35 + 0 = 0.35; 0.3 + 0.7 x 0.35
    { tokens: 10_000, range: "0-10000", score: 0.545 },
    // 0.7 / (1 + 30000/10000) + 0.3 x (32768 - 10268)/30000 = 0.175 + 0.225; 0.3 + 0.7 x 0.4
    { tokens: 10_268, range: "2768-32768", score: 0.58 },
    { tokens: 64, range: "64-64", score: 1 },
    // 0.3 / (1 + 1000/1000)
    { tokens: 3_048, range: "0-2048", score: 0.15 },
    // 0.3 / (1 + 500/1000)
    { tokens: 1_500, range: "2000-4000", score: 0.2 },
    // Of unknown length: 0.3 / (1 + 2000/1000)
    { tokens: undefined, range: "2000-4000", score: 0.1 },
  ])("scores $tokens tokens $score in $range", ({ tokens, range, score }) => {
    expect(scoreOf(tokens, range)).toBeCloseTo(score, 12);
  });

  it.each(["", "all", "10", "10-5", "-5-10", "1-2-3", "1.5-3", "0-99999999999999999999"])(
    "scores 0 with the label %j, which is not a range",
    (range) => {
      expect(scoreOf(3, range)).toBe(0);
    },
  );

  it("takes blanks around the numbers", () => {
    expect(scoreOf(64, " 64 - 64 ")).toBe(1);
  });

  it("scores 0.5 without the label", () => {
    expect(scoresIn(scorerFor(10), aContext(), [anEndpoint()])).toEqual([0.5]);
  });

  it("reads the configured label", () => {
    const scorer = buildScorer(contextLengthAware, { label: "lengths" }, depsFor(64));
    const candidates = [anEndpoint({ labels: { lengths: "64-64" } }), withRange("64-64", 1)];
    expect(scoresIn(scorer, aContext(), candidates)).toEqual([1, 0.5]);
  });

  it("filters only if enabled", () => {
    expect(buildPlugin(contextLengthAware, {}, depsFor(1)).filter).toBeUndefined();
  });

  it("keeps endpoints whose range contains the prompt's length, and those without a range", () => {
    const unlabelled = anEndpoint({ slot: 3 });
    const candidates = [
      withRange("0-100", 0),
      withRange("101-200", 1),
      withRange("junk", 2),
      unlabelled,
    ];
    const kept = (tokens: number | undefined) =>
      filterFor(tokens)
        .filter(aContext(), candidates)
        .map(({ slot }) => slot);
    expect(kept(100)).toEqual([0, 3]);
    expect(kept(101)).toEqual([1, 3]);
    expect(kept(201)).toEqual([3]);
    expect(kept(undefined)).toEqual([0, 3]);
  });

  it.each([{ label: "" }, { enableFiltering: "yes" }, { lable: "x" }])("refuses %j", (given) => {
    expect(contextLengthAware.load(given).kind).toBe("invalid");
  });

  it("needs the length of the prompt", () => {
    expect(contextLengthAware.load({})).toMatchObject({ needs: [{ data: "prompt-tokens" }] });
  });
});
