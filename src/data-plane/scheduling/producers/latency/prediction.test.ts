import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aContext,
  aLoad,
  anEndpoint,
  aRequest,
  endpoints as someEndpoints,
} from "#test/support/builders.ts";
import type { HeldBlocks } from "../../../../core/prefix-match.ts";
import { LatencyModel } from "./latency-model.ts";
import { Prediction } from "./prediction.ts";

const text = (content: string) => ({ kind: "text", text: content }) as const;

const rules = { bufferFactor: 1, countsTpot: false, onlyPrefills: undefined };

/**
 * Price of copying two blocks: z = 0.3 x 1/s x 300 s / 2 = 45, and a block pays back 0.8 x 45/46 of its tokens at 6 a ms.
 */
function blockMs(tokens: number): number {
  return (-2 * ((0.8 * 45) / 46) * tokens) / 6;
}

it("looks up the held blocks of a prompt once for each block size, however sizes alternate", () => {
  const candidates = Array.from({ length: 64 }, (_, slot) => anEndpoint({ slot }));
  const lookedUp: number[] = [];
  const held: HeldBlocks = {
    count: 2,
    positions: Uint32Array.of(0, 1),
    holders: Uint32Array.of(1, 1),
    usesPerSecond: Float64Array.of(1, 1),
    blocksEach: 1,
  };
  const match = {
    totalBlocks: () => 2,
    matchedBlocks: (slot: number) => (slot < 2 ? 2 : 0),
    blockTokens: (slot: number) => (slot % 2 === 0 ? 64 : 128),
    evictionAgeMs: () => undefined,
    heldBlocks: (slot: number) => {
      lookedUp.push(slot);
      return held;
    },
  };
  const prediction = new Prediction(new LatencyModel(), rules);
  const context = aContext({ request: aRequest(), endpoints: candidates });
  prediction.compute(context, candidates, { match, promptTokens: 256 });
  expect(lookedUp).toEqual([0, 1]);
  const copies = [0, 1, 2, 3].map((slot) => prediction.copyMs(slot));
  const expected = [0, 0, blockMs(64), blockMs(128)];
  for (const [slot, ms] of expected.entries()) expect(copies[slot]).toBeCloseTo(ms, 9);
});

describe("a prediction for many endpoints", () => {
  const nowMs = 10_000;
  const endpointDrawn = fc.record({
    // NaN: the engine reports no size.
    blockTokens: fc.constantFrom(16, 64, Number.NaN),
    matchedBlocks: fc.nat(3),
    lifetimeMs: fc.constantFrom(-1, 500, 30_000),
    prompts: fc.array(
      fc.record({
        tokens: fc.integer({ min: 1, max: 5_000 }),
        sentMs: fc.integer({ min: 9_000, max: nowMs }),
        stays: fc.boolean(),
        showsFirstToken: fc.boolean(),
      }),
      { maxLength: 2 },
    ),
    placed: fc.nat(2),
    isRefusing: fc.boolean(),
  });

  it("equals that for each of them alone", () => {
    fc.assert(
      fc.property(fc.array(endpointDrawn, { minLength: 1, maxLength: 12 }), (drawn) => {
        const pool = drawn.map((_, slot) => anEndpoint({ slot }));
        const held: HeldBlocks = {
          count: 3,
          positions: Uint32Array.of(0, 1, 2),
          holders: Uint32Array.of(3, 2, 1),
          usesPerSecond: Float64Array.of(3, 2, 1),
          blocksEach: 1,
        };
        const match = {
          totalBlocks: () => 4,
          matchedBlocks: (slot: number) => drawn[slot]?.matchedBlocks ?? 0,
          blockTokens: (slot: number) => drawn[slot]?.blockTokens ?? 0,
          evictionAgeMs: (slot: number) => {
            const lifetimeMs = drawn[slot]?.lifetimeMs ?? -1;
            return lifetimeMs < 0 ? undefined : lifetimeMs;
          },
          heldBlocks: () => held,
        };
        const predicted = (candidates: readonly (typeof pool)[number][]) => {
          const model = new LatencyModel();
          for (const [slot, { prompts, placed, isRefusing }] of drawn.entries()) {
            const work = model.workAt(slot);
            for (const prompt of prompts) work.queue.push(prompt);
            for (let each = 0; each < placed; each += 1) work.addPlaced(1);
            if (isRefusing) work.noteRefusal(nowMs + 1);
          }
          const prediction = new Prediction(model, rules);
          const context = aContext({ request: aRequest(), endpoints: pool, nowMs });
          prediction.compute(context, candidates, { match, promptTokens: 300 });
          for (const { slot } of candidates) {
            // The queue lets go of prompts that are computed by now.
            expect(prediction.decoding(slot)).toBe(model.decodingAt(slot, nowMs));
          }
          return candidates.map(({ slot }) => [
            prediction.uncachedTokens(slot),
            prediction.prefillMs(slot),
            prediction.copyMs(slot),
            prediction.decoding(slot),
          ]);
        };
        expect(predicted(pool)).toEqual(pool.flatMap((each) => predicted([each])));
      }),
    );
  });
});

describe("the home of a conversation", () => {
  const pool = someEndpoints(4);
  const others = aLoad(pool.map(() => ({ runningRequests: 4, waitingRequests: 0 })));
  const alone = aLoad(pool.map(() => ({ runningRequests: 4, inFlightRequests: 4 })));
  const opening = [text("x".repeat(4_000))];
  /** 1,000 tokens of the opening, 1,000 of an answer, and a question of 500. */
  const turns = [...opening, text("y".repeat(4_000)), text("z".repeat(2_000))];

  /** Of the last of many requests like it. */
  function predicted(isLater: boolean, load: typeof others, model = new LatencyModel()) {
    const prediction = new Prediction(model, rules);
    const parts = isLater ? turns : opening;
    const promptTokens = isLater ? 2_500 : 1_000;
    const request = aRequest({ prompts: [parts], openingParts: 1, promptTokens });
    for (let sent = 0; sent < 200; sent += 1) {
      const context = aContext({ request, endpoints: pool, load, nowMs: sent * 100 });
      prediction.compute(context, pool, { match: undefined, promptTokens });
    }
    return { prediction, model };
  }

  it("is expected to hold what came before the last message, and other endpoints are dearer", () => {
    const { prediction, model } = predicted(true, others);
    const home = prediction.home?.slot ?? -1;
    const away = model.homes.awayTokens(500) / 6;
    // 2,500 - 2,000, at 6 tokens a ms.
    expect(prediction.prefillMs(home)).toBeCloseTo(500 / 6, 9);
    for (const { slot } of pool) {
      expect(prediction.uncachedTokens(slot)).toBe(slot === home ? 500 : 2_500);
      expect(prediction.copyMs(slot)).toBeCloseTo(slot === home ? 0 : away, 9);
    }
  });

  it("makes a first request dearer elsewhere", () => {
    const { model } = predicted(true, others);
    const { prediction } = predicted(false, others, model);
    const home = prediction.home?.slot ?? -1;
    const away = model.homes.awayTokens(1_000) / 6;
    expect(away).toBeGreaterThan(0);
    for (const { slot } of pool) {
      expect(prediction.uncachedTokens(slot)).toBe(1_000);
      expect(prediction.copyMs(slot)).toBeCloseTo(slot === home ? 0 : away, 9);
    }
  });

  it("changes nothing for a lone picker", () => {
    const { prediction } = predicted(true, alone);
    expect(prediction.home).toBeUndefined();
    for (const { slot } of pool) {
      expect(prediction.uncachedTokens(slot)).toBe(2_500);
      expect(prediction.copyMs(slot)).toBe(0);
    }
  });
});
