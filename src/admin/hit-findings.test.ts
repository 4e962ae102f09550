import { describe, expect, it } from "vitest";
import { aHitGroup, aHitReport, type ReportParts, someAnswers } from "#test/support/hit-report.ts";
import { hitFindingsOf, tokensText } from "./hit-findings.ts";

const gapsOf = (parts: ReportParts) => hitFindingsOf(aHitReport(parts)).map(({ gap }) => gap);
const textsOf = (parts: ReportParts) =>
  hitFindingsOf(aHitReport(parts)).map(({ text, remedy }) => `${text} ${remedy}`);

/** No gap above these rungs. */
const full = { ceiling: 0.98, capacity: 0.98, reachable: 0.98, predicted: 0.98 };

/** The engines' own count. */
const counted = (ratio: number, lookupTokens = 2_000_000) => ({
  ...{ endpoints: 4, lookupTokens, hitTokens: ratio * lookupTokens, ratio },
});

describe("the gaps of a ladder", () => {
  it("are none if each rung is about as high as the one above it", () => {
    expect(gapsOf({ rungs: full })).toEqual([]);
    expect(
      gapsOf({ rungs: { ...full, capacity: 0.96, reachable: 0.96, predicted: 0.94 } }),
    ).toEqual([]);
  });

  it("are named from the top on, each where it is", () => {
    expect(
      gapsOf({ rungs: { ceiling: 0.8, capacity: 0.8, reachable: 0.8, predicted: 0.8 } }),
    ).toEqual(["traffic"]);
    expect(gapsOf({ rungs: { ...full, capacity: 0.5, reachable: 0.5, predicted: 0.5 } })).toEqual([
      "capacity",
    ]);
    expect(gapsOf({ rungs: { ...full, reachable: 0.9, predicted: 0.9 } })).toEqual(["copies"]);
    expect(gapsOf({ rungs: { ...full, predicted: 0.9 } })).toEqual(["routing"]);
  });

  it("are not concluded from a few requests", () => {
    expect(gapsOf({ requests: 19, rungs: { ceiling: 0.1 } })).toEqual([]);
  });

  it("say that the picker has only begun to watch", () => {
    const [text] = textsOf({ rungs: { ...full, ceiling: 0.5 }, watchedMs: 90_000 });
    expect(text).toContain("the 90 s since the first request");
    expect(text).toContain("Look again later");
  });

  it("name the model and tenant whose prompts begin with something that changes", () => {
    const starts = { pairs: 40, alike: 30, differFromTokens: 12.4, lostRatio: 0.93 };
    const groups = [
      aHitGroup({ tenant: "reports", starts }),
      aHitGroup({ starts }),
      aHitGroup({ tenant: "few", starts: { ...starts, pairs: 9, alike: 9 } }),
      aHitGroup({ tenant: "mixed", starts: { ...starts, alike: 9 } }),
      aHitGroup({ model: "", tenant: "", isOthers: true, starts }),
    ];
    const texts = textsOf({ rungs: full, groups });
    expect(texts).toHaveLength(2);
    expect(texts[0]).toContain(
      'Prompts for model "llama" of tenant "reports" repeat 93 % of their text behind a part that changes, from about token 12 on',
    );
    expect(texts[1]).toContain('Prompts for model "llama" repeat');
  });

  it("say what larger caches would give, and that their size is not known", () => {
    const steps = [
      { factor: 1, tokens: 1e6, ratio: 0.5 },
      { factor: 2, tokens: 2e6, ratio: 0.62 },
      { factor: 4, tokens: 4e6, ratio: 0.71 },
    ];
    const rungs = { ceiling: 0.98, capacity: 0.5, reachable: 0.5, predicted: 0.5 };
    expect(textsOf({ rungs, steps })[0]).toContain(
      "too small for 48 % of prompt tokens: 4 endpoints hold 1.6 million tokens together. 2 times the size gives 62 %. 4 times the size gives 71 %.",
    );
    const unknown = { rungs: { ...rungs, capacity: undefined, reachable: undefined } };
    expect(gapsOf(unknown)).toEqual(["capacity", "routing"]);
    expect(textsOf(unknown)[0]).toContain("No endpoint reports the size of its KV cache");
  });

  it("take a small loss by routing for the price of load that is spread", () => {
    const [small, large] = [0.94, 0.9].map((predicted) =>
      hitFindingsOf(aHitReport({ rungs: { ...full, predicted } })),
    );
    expect(small).toMatchObject([{ gap: "routing", isProblem: false }]);
    expect(large).toMatchObject([{ gap: "routing", isProblem: true }]);
  });

  it("say that the configuration looks for no prefixes", () => {
    const parts = { rungs: { ...full, predicted: undefined }, looksForPrefixes: false };
    expect(textsOf(parts)[0]).toContain("98 % of prompt tokens could be cached");
  });

  it("warn if engines count other hits than answers report", () => {
    expect(gapsOf({ rungs: full, counted: counted(0.82) })).toEqual([]);
    expect(textsOf({ rungs: full, counted: counted(0.4) })[0]).toMatch(
      /^Engines count 40 % of the prompt tokens that they look up as hits, and answers report 90 % as cached. Compare /u,
    );
    expect(textsOf({ rungs: full, counted: counted(0.4, 8_000_000) })[0]).toContain(
      "looked up 8 million tokens, and this picker has sent 2 million tokens: other pickers",
    );
    // Too few of the engines have counters.
    expect(gapsOf({ rungs: full, counted: counted(0.4, 900_000) })).toEqual([]);
  });

  it("compare the engines' own count with the prediction if no answer reports", () => {
    const answers = { reporting: 0, promptTokens: 0, predicted: undefined, delivered: undefined };
    const silent = { rungs: full, answers, deliveredBy: "engines" } as const;
    const [first, ...others] = textsOf({ ...silent, counted: counted(0.9) });
    expect(first).toContain("the engines' own counters stand for them: 90 %");
    expect(others).toEqual([]);
    expect(textsOf({ ...silent, counted: counted(0.2) })[1]).toContain(
      "Engines count 20 % of the prompt tokens as hits where 98 % were predicted.",
    );
    expect(textsOf(silent)[0]).toContain("not known what engines deliver");
  });
});

/** An endpoint with enough answers to be judged. */
function endpoint(id: string, delivered: number, predicted = 0.8) {
  const counts = { answers: 100, reporting: 100, promptTokens: 200_000 };
  return { id, counted: undefined, ...someAnswers({ ...counts, predicted, delivered }) };
}

describe("the gap to what engines deliver", () => {
  it("names the endpoints that deliver less than half", () => {
    const endpoints = [endpoint("a", 0.75), endpoint("b", 0), endpoint("c", 0.39)];
    const [text, ...others] = textsOf({ rungs: full, endpoints });
    expect(others).toEqual([]);
    expect(text).toContain(
      "less than half of what was predicted: b 0 % of the 80 %, c 39 % of the 80 %.",
    );
    expect(text).toContain("On these, look for prefix caching that is off");
  });

  it("looks for a common cause if all of them do", () => {
    const endpoints = [endpoint("a", 0.1), endpoint("b", 0)];
    const [text] = textsOf({ rungs: full, endpoints });
    expect(text).toContain("Every endpoint delivers less than half");
    expect(text).toContain("Look for what all of them share");
  });

  it("does not blame an endpoint for prompts shorter than blocks, or for few of them", () => {
    const endpoints = [
      { ...endpoint("short", 0), promptTokens: 100 * 60 },
      { ...endpoint("few", 0), reporting: 9 },
      endpoint("cold", 0, 0.02),
    ];
    expect(gapsOf({ rungs: full, endpoints })).toEqual([]);
  });

  it("says that no answer reports hits, and that engines hold more than the picker knows", () => {
    const none = { reporting: 0, predicted: undefined, delivered: undefined };
    expect(textsOf({ rungs: full, answers: none })[0]).toContain("--enable-prompt-tokens-details");
    const more = { predicted: 0.5, delivered: 0.7 };
    expect(textsOf({ rungs: full, answers: more })[0]).toContain(
      "they hold more than this picker knows",
    );
    expect(gapsOf({ rungs: full, answers: { ...none, answers: 9 } })).toEqual([]);
    const unknown = { rungs: { ...full, predicted: undefined }, looksForPrefixes: false };
    expect(
      textsOf({ ...unknown, answers: { predicted: 0, delivered: 0.2 } }).join(" "),
    ).not.toContain("were predicted");
  });
});

it("does not compare the counters of engines with answers most of which are under way", () => {
  const early = { delivered: 0.5, promptTokens: 1_000_000 };
  expect(gapsOf({ rungs: full, answers: early, counted: counted(0.9) })).not.toContain("engines");
});

it("writes numbers of tokens for people", () => {
  expect([999, 12_345, 1_600_000, 98_765_432].map(tokensText)).toEqual([
    "999 tokens",
    "12.3 thousand tokens",
    "1.6 million tokens",
    "98.8 million tokens",
  ]);
});
