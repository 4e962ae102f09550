import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, aDecision, endpoints } from "#test/support/builders.ts";
import { buildWithHooks } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { noHitLruScorer, recentEndpointsMemory } from "./no-hit-lru.ts";

const four = endpoints(4);
const [a, b, c, d] = four as readonly [Endpoint, Endpoint, Endpoint, Endpoint];

/** The scorer after requests without a hit went to some endpoints, oldest first. */
function scorerAfter(...used: Endpoint[]) {
  return withMatch(undefined, ...used);
}

function withMatch(match: PrefixMatch | undefined, ...used: Endpoint[]) {
  const deps = pluginDeps({ data: match === undefined ? {} : { "prefix-match": match } });
  const list = deps.memory(recentEndpointsMemory, { endpointsMax: 1_024 });
  for (const { id } of used) list.use(id);
  const { scorer, hooks } = buildWithHooks(noHitLruScorer, {}, deps);
  const scores = (candidates = four) => scoresIn(scorer, aContext(), candidates);
  return { scorer, hooks, scores, ids: () => [...list.ids] };
}

const held = (...matchedBlocks: number[]) => aPrefixMatch({ totalBlocks: 8, matchedBlocks });

describe("no-hit-lru-scorer", () => {
  itKeepsTheScorerContract(scorerAfter().scorer);
  itKeepsTheScorerContract(scorerAfter(...endpoints(24).toReversed()).scorer);
  itKeepsTheScorerContract(withMatch(held(0, 2, 0, 1)).scorer);

  it("ranks endpoints that were never used by their slots", () => {
    // 1 - 0/3, 1 - 1/3, 1 - 2/3, 1 - 3/3
    expect(scorerAfter().scores()).toEqual([1, 1 - 1 / 3, 1 - 2 / 3, 0]);
    expect(scorerAfter().scores([d, a])).toEqual([0, 1]);
  });

  it("ranks used ones after them, least recently used first", () => {
    // a and c were never used: ranks 0 and 1; then d, then b: ranks 2 and 3
    expect(scorerAfter(d, b).scores()).toEqual([1, 0, 1 - 1 / 3, 1 - 2 / 3]);
    // c, a, d, b
    expect(scorerAfter(c, a, d, b).scores()).toEqual([1 - 1 / 3, 0, 1, 1 - 2 / 3]);
  });

  it("ranks only the candidates, even if other endpoints were used", () => {
    // c before d before b; a is no candidate
    expect(scorerAfter(c, a, d, b).scores([b, c, d])).toEqual([0, 1, 0.5]);
  });

  it("scores 1 for a single candidate, and nothing for none", () => {
    expect(scorerAfter(a).scores([a])).toEqual([1]);
    expect(scorerAfter(a).scores([])).toEqual([]);
  });

  it("scores 0.5 for all if one has more of the prompt cached than all share", () => {
    expect(withMatch(held(0, 0, 1, 0), a, b).scores()).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(withMatch(held(2, 2, 3, 2), a, b).scores()).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it("does not count blocks that all candidates hold as a hit", () => {
    // All have the two blocks of the system prompt.
    expect(withMatch(held(2, 2, 2, 2), b, a).scores([a, b])).toEqual([0, 1]);
    // c holds more, and is no candidate.
    expect(withMatch(held(2, 2, 3, 2), b, a).scores([a, b])).toEqual([0, 1]);
  });

  it("does not count different ends of blocks of two sizes as a hit", () => {
    // 100 shared tokens: 7 blocks of 16 are 112, 1 block of 64 is 64; 48 apart, less than a block.
    const match: PrefixMatch = {
      totalBlocks: () => 10,
      matchedBlocks: (slot) => (slot === 0 ? 7 : 1),
      blockTokens: (slot) => (slot === 0 ? 16 : 64),
    };
    expect(withMatch(match).scores([a, b])).toEqual([1, 0]);
  });

  it("records the endpoint and its helpers once a request without a hit is sent", () => {
    const { scorer, hooks, ids } = scorerAfter(a, b);
    const context = aContext();
    scoresIn(scorer, context, four);
    expect(ids()).toEqual([a.id, b.id]);
    hooks.sent({ context, decision: aDecision({ endpoints: [c, d], helpers: [a] }) });
    expect(ids()).toEqual([b.id, c.id, a.id]);
  });

  it("does not record a request with a hit, nor one that it did not score", () => {
    const hit = withMatch(held(1, 0, 0, 0));
    const context = aContext();
    scoresIn(hit.scorer, context, four);
    hit.hooks.sent({ context, decision: aDecision({ endpoints: [a] }) });
    expect(hit.ids()).toEqual([]);

    const cold = scorerAfter();
    cold.hooks.sent({ context: aContext(), decision: aDecision({ endpoints: [a] }) });
    expect(cold.ids()).toEqual([]);
  });

  it("keeps at most lruSize endpoints", () => {
    const deps = pluginDeps();
    const { scorer, hooks } = buildWithHooks(noHitLruScorer, { lruSize: 2 }, deps);
    for (const endpoint of [a, b, c]) {
      const context = aContext();
      scoresIn(scorer, context, four);
      hooks.sent({ context, decision: aDecision({ endpoints: [endpoint] }) });
    }
    // a is forgotten and so never used, like d: a, d, b, c
    expect(scoresIn(scorer, aContext(), four)).toEqual([1, 1 - 2 / 3, 0, 1 - 1 / 3]);
  });

  it("accepts unused parameters of existing documents", () => {
    const parameters = { prefixPluginType: "prefix-cache-scorer", prefixPluginName: "prefix" };
    expect(noHitLruScorer.load(parameters).kind).toBe("loaded");
  });

  it.each([{ lruSize: 0 }, { lruSize: 1.5 }, { lru: 1 }])("refuses %j", (parameters) => {
    expect(noHitLruScorer.load(parameters).kind).toBe("invalid");
  });

  it("needs the prefix matches of the producer that is named", () => {
    expect(noHitLruScorer.load({ prefixMatchInfoProducerName: "precise" })).toMatchObject({
      needs: [{ data: "prefix-match", producer: "precise" }],
    });
  });
});
