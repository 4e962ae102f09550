import { describe, expect, it } from "vitest";
import { PrefixTrust } from "./prefix-trust.ts";

function trustAfter(...hits: readonly (readonly [predicted: number, actual: number])[]): number {
  const trust = new PrefixTrust();
  for (const [predicted, actual] of hits) trust.note(0, predicted, actual);
  return trust.of(0);
}

const misses = (count: number) => Array.from({ length: count }, () => [1_000, 0] as const);

describe("the trust in prefix matches", () => {
  it.each([
    ["is full without an answer", [], 1],
    ["is full after a few misses: 0.8^4 = 0.41", misses(4), 1],
    ["is gone after many: 0.8^5 = 0.33", misses(5), 0.8 ** 5],
    ["comes back with a hit: 0.33 + 0.2 x 0.67 = 0.46", [...misses(5), [1_000, 1_000]], 1],
    ["counts more cached tokens than predicted as a hit", [[1_000, 9_000]], 1],
    ["hears nothing from short matches", misses(9).map(() => [500, 0] as const), 1],
  ] as const)("%s", (_, hits, expected) => {
    expect(trustAfter(...hits)).toBeCloseTo(expected, 9);
  });

  it("takes an answer without the number for a miss once the endpoint has told it", () => {
    const trust = new PrefixTrust();
    for (let count = 0; count < 9; count += 1) {
      expect(trust.note(0, 1_000, undefined)).toBeUndefined();
    }
    expect(trust.of(0)).toBe(1);
    expect(trust.note(0, 1_000, 900)).toBe(900);
    for (let count = 0; count < 9; count += 1) expect(trust.note(0, 1_000, undefined)).toBe(0);
    expect(trust.of(0)).toBeLessThan(0.2);
  });

  it("is full again for another endpoint in the slot", () => {
    const trust = new PrefixTrust();
    for (const [predicted, actual] of misses(9)) trust.note(0, predicted, actual);
    trust.forget(0);
    expect(trust.of(0)).toBe(1);
  });
});
