import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countersWithoutHits,
  slowEndpoints,
  type TenantTokens,
  tenantsWithoutHits,
} from "./judge-traffic.ts";

const speedsOf = (...rates: readonly number[]) =>
  rates.map((tokensPerSecond, index) => ({ id: `e${index}`, tokensPerSecond }));
const subjectsOf = (rates: readonly number[]) =>
  slowEndpoints(speedsOf(...rates)).map(({ subject }) => subject);

describe("slowEndpoints", () => {
  it.each([
    ["a third of the others", [9_000, 3_000, 10_000], ["e1"]],
    // Half of 9,000.
    ["half of the median is not slow", [9_000, 4_500, 11_000], []],
    ["just below it is", [9_000, 4_499, 11_000], ["e1"]],
    ["two classes of equal size are no fault of one engine", [10_000, 10_000, 4_500, 4_500], []],
    ["two engines tell nothing of each other", [9_000, 100], []],
    ["none", [], []],
  ])("%s", (_, rates, slow) => {
    expect(subjectsOf(rates)).toEqual(slow);
  });

  it("names both speeds", () => {
    expect(slowEndpoints(speedsOf(12_345.6, 3_000, 9_876))[0]?.what).toBe(
      "computes 3,000 prompt tokens/s; the median of the pool is 9,876",
    );
  });

  it("never finds the fastest, nor an engine of a pool of equals", () => {
    const rate = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(rate, { minLength: 3, maxLength: 20 }), (rates) => {
        const fastest = rates.indexOf(Math.max(...rates));
        expect(subjectsOf(rates)).not.toContain(`e${fastest}`);
        expect(subjectsOf(rates.map(() => 7))).toEqual([]);
      }),
    );
  });
});

const tenant = (parts: Partial<TenantTokens>): TenantTokens => ({
  ...{ fairnessId: "a", answers: 20, promptTokens: 10_000, cachedTokens: 0 },
  ...parts,
});
const other = tenant({ fairnessId: "b", cachedTokens: 6_000 });

describe("tenantsWithoutHits", () => {
  it("names a tenant whose prompts are never cached, if those of others are", () => {
    const [finding, ...more] = tenantsWithoutHits([tenant({ cachedTokens: 200 }), other]);
    expect(more).toEqual([]);
    expect(finding?.subject).toBe("a");
    expect(finding?.what).toBe(
      "2 % of its prompt tokens were cached, in 20 answers; of the others' 60 %",
    );
  });

  it.each([
    ["has some hits", tenant({ cachedTokens: 600 }), other],
    ["has few answers", tenant({ answers: 19 }), other],
    ["has short prompts", tenant({ promptTokens: 3_999 }), other],
    ["is like the others", tenant({}), tenant({ fairnessId: "b", cachedTokens: 2_000 })],
    ["has no others with answers", tenant({}), tenant({ fairnessId: "b", promptTokens: 0 })],
  ])("finds nothing if it %s", (_, ...tenants) => {
    expect(tenantsWithoutHits(tenants)).toEqual([]);
  });

  it("finds nothing in a single tenant", () => {
    expect(tenantsWithoutHits([tenant({})])).toEqual([]);
  });
});

const rungs = [{ name: "predicted", ratio: 0.6, meaning: "" }] as const;
const endpoint = (lookupTokens: number, hitTokens: number, parts: object = {}) => ({
  ...{ id: "a", answers: 20, reporting: 0, predicted: null, delivered: null },
  counted: { lookupTokens, hitTokens, ratio: null },
  ...parts,
});

const codes = (one: ReturnType<typeof endpoint>) =>
  countersWithoutHits({ rungs: [...rungs], endpoints: [one] }).map(({ code }) => code);

describe("counters of a prefix cache", () => {
  it("are named if they have no lookup, or no hit though hits are expected", () => {
    expect(codes(endpoint(0, 0))).toEqual(["hit-counters-still"]);
    expect(codes(endpoint(10_000, 0))).toEqual(["no-cache-hit"]);
    expect(codes(endpoint(10_000, 1))).toEqual([]);
    // Prompts of less than 200 tokens, few answers, no counters, no hits expected there.
    expect(codes(endpoint(3_000, 0))).toEqual([]);
    expect(codes(endpoint(0, 0, { answers: 19 }))).toEqual([]);
    expect(codes(endpoint(0, 0, { counted: null }))).toEqual([]);
    expect(codes(endpoint(10_000, 0, { predicted: 0.1 }))).toEqual([]);
  });
});
