import { describe, expect, it } from "vitest";
import type { InFlightLoad } from "../../../core/in-flight-load.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import {
  aContext,
  aDecision,
  aRecord,
  aLoad,
  anEndpoint,
  aRequest,
  aResponseHead,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { inflightLoadProducer } from "./inflight-load.ts";

/** Slot 0 has 6 of 10 blocks cached, slot 1 none. */
const match: PrefixMatch = {
  totalBlocks: () => 10,
  matchedBlocks: (slot) => (slot === 0 ? 6 : 0),
  blockTokens: () => 64,
};

function built(parameters: object = {}, prefixMatch?: PrefixMatch, promptTokens = 700) {
  const params = inflightLoadProducer.params.safeParse(parameters);
  if (!params.success) throw new Error("refused");
  const data = {
    "prompt-tokens": promptTokens,
    ...(prefixMatch === undefined ? {} : { "prefix-match": prefixMatch }),
  };
  const { producer, hooks } = inflightLoadProducer.create(params.data, pluginDeps({ data }));
  if (producer === undefined || hooks === undefined) throw new Error("it is both");
  const load = aLoad([{ inFlightRequests: 3 }, {}]);
  const read = () => {
    // A producer of in-flight load produces one.
    return producer.produce(aContext({ load }), []) as InFlightLoad;
  };
  const sendTo = (slot: number, helperSlot?: number, outputTokensMax?: number): RequestFollower => {
    const helpers = helperSlot === undefined ? [] : [anEndpoint({ slot: helperSlot })];
    // Slot 3 is the fallback of every request.
    const endpoints = [anEndpoint({ slot }), anEndpoint({ slot: 3 })] as const;
    const decision = aDecision({ endpoints, helpers });
    const context = aContext({ load, request: aRequest({ outputTokensMax }) });
    const follower = hooks.sent({ context, decision });
    if (follower === undefined) throw new Error("it follows every request");
    return follower;
  };
  return { producer, read, sendTo };
}

describe("inflight-load-producer", () => {
  itKeepsTheDataProducerContract(built().producer);

  it("has requests in flight, and the request's tokens that an endpoint has not cached", () => {
    const load = built({}, match).read();
    expect([load.requests(0), load.requests(1)]).toEqual([3, 0]);
    // (10 - 6) x 64 + (700 - 640), (10 - 0) x 64 + 60
    expect([load.uncachedTokens(0), load.uncachedTokens(1)]).toEqual([316, 700]);
  });

  it("counts every token as uncached if no producer finds matches", () => {
    expect(built().read().uncachedTokens(0)).toBe(700);
  });

  it("counts a prompt until the first token of its answer", () => {
    const { read, sendTo } = built({}, match);
    const follower = sendTo(0);
    expect(read().tokens(0)).toBe(316);
    follower.firstToken?.(0);
    expect(read().tokens(0)).toBe(0);
    follower.ended?.(aRecord({ end: "complete" }));
    expect(read().tokens(0)).toBe(0);
  });

  it.each([
    // Slots 2 and 3 have nothing of the prompt cached: 10 x 64 + 60. Only slot 3 is a target.
    { served: 3, tokens: 700 },
    { served: 2, tokens: 700 },
  ])("moves a prompt to the endpoint that serves, slot $served", ({ served, tokens }) => {
    const { read, sendTo } = built({}, match);
    const follower = sendTo(0);
    follower.responseHead?.(aResponseHead({ served: anEndpoint({ slot: served }) }), 0);
    expect([read().tokens(0), read().tokens(served)]).toEqual([0, tokens]);
    follower.firstToken?.(0);
    follower.ended?.(aRecord());
    expect([read().tokens(0), read().tokens(served)]).toEqual([0, 0]);
  });

  it("keeps a prompt if the picked endpoint serves", () => {
    const { read, sendTo } = built({}, match);
    sendTo(0).responseHead?.(aResponseHead({ served: anEndpoint() }), 0);
    expect(read().tokens(0)).toBe(316);
  });

  it("releases a request that ends without an answer", () => {
    const { read, sendTo } = built();
    sendTo(0).ended?.(aRecord({ end: "aborted" }));
    expect(read().tokens(0)).toBe(0);
  });

  it.each([
    // 700 + 700 x 1.5
    { parameters: {}, clientMax: undefined, tokens: 1_750 },
    { parameters: { outputRatio: 0.5 }, clientMax: undefined, tokens: 1_050 },
    { parameters: {}, clientMax: 100, tokens: 800 },
    { parameters: { maxEstimatedOutputTokens: 50 }, clientMax: 100, tokens: 750 },
  ])(
    "counts $tokens with the expected output: $parameters",
    ({ parameters, clientMax, tokens }) => {
      const { read, sendTo } = built({ addEstimatedOutputTokens: true, ...parameters });
      const follower = sendTo(0, undefined, clientMax);
      expect(read().tokens(0)).toBe(tokens);
      follower.firstToken?.(0);
      expect(read().tokens(0)).toBe(tokens);
      follower.ended?.(aRecord({ end: "complete" }));
      expect(read().tokens(0)).toBe(0);
    },
  );

  it("counts the prompt on a helper until the answer begins", () => {
    const { read, sendTo } = built({ addEstimatedOutputTokens: true }, match);
    const follower = sendTo(0, 1);
    expect(read().tokens(1)).toBe(700);
    follower.firstToken?.(0);
    expect(read().tokens(1)).toBe(0);
  });
});
