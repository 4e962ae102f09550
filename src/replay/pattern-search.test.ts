import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { patternSearch } from "./pattern-search.ts";

const target = fc.double({ min: 0.1, max: 100, noNaN: true });

describe("the pattern search", () => {
  it("finds numbers within its bounds, in no more evaluations than allowed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(target, { minLength: 1, maxLength: 3 }), async (wanted) => {
        let calls = 0;
        const found = await patternSearch({
          numbers: wanted.map((_, index) => ({ name: `${index}`, start: 1, min: 0.1, max: 100 })),
          loss: (values) => {
            calls += 1;
            expect(values.every((value) => value >= 0.1 && value <= 100)).toBe(true);
            return values.reduce(
              (sum, value, index) => sum + Math.log(value / (wanted[index] ?? 1)) ** 2,
              0,
            );
          },
          evaluationsMax: 400,
          firstFactor: 2,
          lastFactor: 1.005,
        });
        expect(found.evaluations).toBe(calls);
        expect(calls).toBeLessThanOrEqual(400);
        for (const [index, value] of found.values.entries()) {
          expect(value / (wanted[index] ?? 1)).toBeCloseTo(1, 1);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("ends when its evaluations are used up, with the best that it has seen", async () => {
    const seen: number[] = [];
    const found = await patternSearch({
      numbers: [{ name: "x", start: 1, min: 0.001, max: 1_000 }],
      loss: ([x = 0]) => {
        seen.push(Math.abs(x - 500));
        return seen.at(-1) ?? 0;
      },
      evaluationsMax: 5,
      firstFactor: 1.5,
      lastFactor: 1.01,
    });
    expect(seen).toHaveLength(5);
    expect(found.loss).toBe(Math.min(...seen));
  });
});
