import { expect, it } from "vitest";
import { aContext, anEndpoint, aRequest } from "#test/support/builders.ts";
import type { HeldBlocks } from "../../../../core/prefix-match.ts";
import { LatencyModel } from "./latency-model.ts";
import { Prediction } from "./prediction.ts";

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
