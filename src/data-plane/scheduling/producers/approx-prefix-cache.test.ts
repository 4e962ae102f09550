import { describe, expect, it } from "vitest";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import {
  aContext,
  aDecision,
  aLoad,
  anEndpoint,
  aRequest,
  aResponseHead,
  endpoints,
  type LoadRow,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { approxPrefixCacheProducer } from "./approx-prefix-cache.ts";

/** Bytes of a block of 64 tokens. */
const blockBytes = 256;

/** A prompt with this number of blocks, all different; the same for the same seed. */
const prompt = (blocks: number, seed = "p") => [
  [
    {
      kind: "text" as const,
      text: Array.from({ length: blocks }, (_, block) =>
        `${seed}${block} `.padEnd(blockBytes, "x"),
      ).join(""),
    },
  ],
];

function built(parameters: object = {}, rows: readonly LoadRow[] = [{}, {}]) {
  const params = approxPrefixCacheProducer.params.safeParse(parameters);
  if (!params.success) throw new Error("refused");
  const { producer, hooks } = approxPrefixCacheProducer.create(params.data, pluginDeps());
  if (producer === undefined || hooks === undefined) throw new Error("it is both");
  const contextFor = (request: Partial<InferenceRequest>) => {
    const data = new Map<string, unknown>();
    const context = aContext({ request: aRequest(request), load: aLoad(rows), data });
    const match = producer.produce(context, endpoints(rows.length));
    data.set("under-test", match);
    // A producer of prefix matches produces one.
    return { context, match: match as PrefixMatch | undefined };
  };
  return {
    producer,
    match: (request: Partial<InferenceRequest>) => contextFor(request).match,
    send: (slot: number, request: Partial<InferenceRequest>, helperSlot?: number) => {
      const helpers = helperSlot === undefined ? [] : [anEndpoint({ slot: helperSlot })];
      const decision = aDecision({ endpoints: [anEndpoint({ slot })], helpers });
      return hooks.sent({ context: contextFor(request).context, decision });
    },
  };
}

describe("approx-prefix-cache-producer", () => {
  itKeepsTheDataProducerContract(built().producer);

  it.each([
    { dialect: "count-tokens", path: "/v1/messages/count_tokens" },
    { dialect: "chat", path: "/v1/chat/completions/render?x=1" },
  ] as const)("learns nothing from $path, which runs no model", ({ dialect, path }) => {
    const { match, send } = built();
    const request = aRequest({ prompts: prompt(2), dialect });
    send(0, { ...request, head: { ...request.head, path } });
    expect(match({ prompts: prompt(2) })?.matchedBlocks(0)).toBe(0);
  });

  it("finds the leading blocks that an endpoint was sent, and no more", () => {
    const { match, send } = built();
    send(0, { prompts: prompt(4) });
    const found = match({ prompts: prompt(6) });
    expect([found?.matchedBlocks(0), found?.matchedBlocks(1)]).toEqual([4, 0]);
    expect([found?.totalBlocks(0), found?.blockTokens(0)]).toEqual([6, 64]);
  });

  it("has no match for a request without prompts", () => {
    expect(built().match({ prompts: [] })).toBeUndefined();
  });

  it.each([
    { what: "model", other: { targetModel: "other" } },
    { what: "cache salt", other: { cacheSalt: "tenant-b" } },
  ])("separates prompts that differ in their $what", ({ other }) => {
    const { match, send } = built();
    send(0, { prompts: prompt(4) });
    expect(match({ prompts: prompt(4), ...other })?.matchedBlocks(0)).toBe(0);
    expect(match({ prompts: prompt(4) })?.matchedBlocks(0)).toBe(4);
  });

  it("uses the model that the engine is asked for, not its alias", () => {
    const { match, send } = built();
    send(0, { prompts: prompt(2), model: "alias", targetModel: "m" });
    expect(match({ prompts: prompt(2), model: "m", targetModel: "m" })?.matchedBlocks(0)).toBe(2);
  });

  it("removes a prompt that the engine refused, and keeps one that it answered", () => {
    const { match, send } = built();
    send(0, { prompts: prompt(2) })?.responseHead?.(aResponseHead(), 0);
    send(0, { prompts: prompt(4) })?.responseHead?.(aResponseHead({ httpStatus: 503 }), 0);
    expect(match({ prompts: prompt(4) })?.matchedBlocks(0)).toBe(2);
  });

  it("adds the prompt to the endpoint that served in place of the picked one", () => {
    const { match, send } = built();
    send(0, { prompts: prompt(4) })?.responseHead?.(
      aResponseHead({ served: anEndpoint({ slot: 1 }) }),
      0,
    );
    const found = match({ prompts: prompt(4) });
    expect([found?.matchedBlocks(0), found?.matchedBlocks(1)]).toEqual([0, 4]);
    send(0, { prompts: prompt(2) })?.responseHead?.(aResponseHead({ served: anEndpoint() }), 0);
    expect(match({ prompts: prompt(4) })?.matchedBlocks(0)).toBe(2);
  });

  it("adds the prompt to a helper too", () => {
    const { match, send } = built();
    send(0, { prompts: prompt(3) }, 1);
    expect(match({ prompts: prompt(3) })?.matchedBlocks(1)).toBe(3);
  });

  it("keeps as many tokens as the engine's cache", () => {
    // 16 x 20 = 320 tokens are 5 blocks of 64.
    const { match, send } = built({}, [{ blockTokens: 16, blocksMax: 20 }]);
    send(0, { prompts: prompt(4, "a") });
    send(0, { prompts: prompt(3, "b") });
    const held = (seed: string, blocks: number) =>
      match({ prompts: prompt(blocks, seed) })?.matchedBlocks(0);
    expect([held("b", 3), held("a", 4)]).toEqual([3, 2]);
  });

  it("uses block sizes above 64 unchanged, separately for each endpoint", () => {
    const { match, send } = built({}, [{ blockTokens: 128 }, { blockTokens: 16 }]);
    send(0, { prompts: prompt(4) });
    send(1, { prompts: prompt(4) });
    const found = match({ prompts: prompt(4) });
    expect([found?.blockTokens(0), found?.totalBlocks(0), found?.matchedBlocks(0)]).toEqual([
      128, 2, 2,
    ]);
    expect([found?.blockTokens(1), found?.totalBlocks(1), found?.matchedBlocks(1)]).toEqual([
      64, 4, 4,
    ]);
  });

  it("uses its parameters without autoTune", () => {
    const parameters = { autoTune: false, blockSizeTokens: 128, lruCapacityPerServer: 1 };
    const { match, send } = built(parameters, [{ blockTokens: 16, blocksMax: 1_000 }]);
    send(0, { prompts: prompt(4) });
    const found = match({ prompts: prompt(4) });
    expect([found?.blockTokens(0), found?.matchedBlocks(0)]).toEqual([128, 1]);
  });

  it.each([
    { parameters: { maxPrefixTokensToMatch: 130 }, blocks: 2 },
    { parameters: { maxPrefixTokensToMatch: 0 }, blocks: 5 },
    { parameters: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 3 }, blocks: 3 },
    { parameters: { maxPrefixTokensToMatch: 64, maxPrefixBlocksToMatch: 3 }, blocks: 1 },
  ])("looks up $blocks blocks with $parameters", ({ parameters, blocks }) => {
    expect(
      built(parameters)
        .match({ prompts: prompt(5) })
        ?.totalBlocks(0),
    ).toBe(blocks);
  });

  it.each([
    { blockSizeTokens: -1 },
    { autoTune: false, blockSizeTokens: 0 },
    { maxPrefixTokensToMatch: -1 },
    { lruCapacityPerServer: 0 },
  ])("refuses %j", (parameters) => {
    expect(approxPrefixCacheProducer.params.safeParse(parameters).success).toBe(false);
  });
});
