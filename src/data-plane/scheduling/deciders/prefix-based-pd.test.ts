import { describe, expect, it } from "vitest";
import { itKeepsTheDeciderContract } from "#test/contract/decider.ts";
import { aContext, anEndpoint, aRequest } from "#test/support/builders.ts";
import { buildPlugin, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { prefixBasedPdDecider } from "./prefix-based-pd.ts";

interface Case {
  readonly nonCachedTokens?: number;
  readonly promptTokens?: number;
  /** Tokens of the prompt. */
  readonly tokens: number;
  /** Blocks of 64 tokens that the endpoint in slot 1 holds; undefined if unknown. */
  readonly matchedBlocks?: number;
}

function deciderOf({ tokens, matchedBlocks, ...parameters }: Case) {
  const match =
    matchedBlocks === undefined
      ? {}
      : { "prefix-match": aPrefixMatch({ totalBlocks: 9, matchedBlocks: [9, matchedBlocks] }) };
  const deps = pluginDeps({ data: { "prompt-tokens": tokens, ...match } });
  const { decider } = buildPlugin(prefixBasedPdDecider, parameters, deps);
  if (decider === undefined) throw new Error("not a decider");
  return decider;
}

const decided = (of: Case) => deciderOf(of).decide(aContext(), anEndpoint({ slot: 1 }));

const ofTokens = (promptTokens: number) => aContext({ request: aRequest({ promptTokens }) });

describe("prefix-based-pd-decider", () => {
  itKeepsTheDeciderContract(deciderOf({ nonCachedTokens: 16, tokens: 100, matchedBlocks: 0 }));

  it.each([
    // 500 - 4 x 64 = 244
    { nonCachedTokens: 244, tokens: 500, matchedBlocks: 4, answer: true },
    { nonCachedTokens: 245, tokens: 500, matchedBlocks: 4, answer: false },
    // No block is cached.
    { nonCachedTokens: 500, tokens: 500, matchedBlocks: 0, answer: true },
    { nonCachedTokens: 501, tokens: 500, matchedBlocks: 0, answer: false },
    // 500 - 8 x 64 < 0: the last block is not full.
    { nonCachedTokens: 1, tokens: 500, matchedBlocks: 8, answer: false },
    { nonCachedTokens: 0, tokens: 500, matchedBlocks: 0, answer: false },
    { nonCachedTokens: 16, promptTokens: 501, tokens: 500, matchedBlocks: 0, answer: false },
    { nonCachedTokens: 16, promptTokens: 500, tokens: 500, matchedBlocks: 0, answer: true },
  ])(
    "says $answer for $tokens tokens, $matchedBlocks blocks held, $nonCachedTokens wanted",
    (row) => {
      const { answer, ...of } = row;
      expect(decided(of)).toBe(answer);
    },
  );

  it("says no by default", () => {
    expect(decided({ tokens: 1_000_000, matchedBlocks: 0 })).toBe(false);
  });

  it("says no without a prefix match or an endpoint", () => {
    expect(decided({ nonCachedTokens: 1, tokens: 500 })).toBe(false);
    const decider = deciderOf({ nonCachedTokens: 1, tokens: 500, matchedBlocks: 0 });
    expect(decider.decide(aContext(), undefined)).toBe(false);
  });

  it("uses the request's own estimate if no producer counts tokens", () => {
    const data = { "prefix-match": aPrefixMatch({ totalBlocks: 9, matchedBlocks: [] }) };
    const { decider } = buildPlugin(
      prefixBasedPdDecider,
      { nonCachedTokens: 70 },
      pluginDeps({ data }),
    );
    expect(decider?.decide(ofTokens(70), anEndpoint())).toBe(true);
    expect(decider?.decide(ofTokens(69), anEndpoint())).toBe(false);
  });

  it("needs tokens and matches", () => {
    expect(needsOf(prefixBasedPdDecider, { prefixMatchInfoProducerName: "p" })).toMatchObject([
      { data: "prompt-tokens", producer: undefined },
      { data: "prefix-match", producer: "p" },
    ]);
  });

  it.each([{ nonCachedTokens: -1 }, { promptTokens: -1 }, { nonCachedTokens: 1.5 }, { tokens: 1 }])(
    "refuses %j",
    (parameters) => {
      expect(prefixBasedPdDecider.load(parameters).kind).toBe("invalid");
    },
  );
});
