import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EngineWork, WorkCosts } from "./work-costs.ts";

/** Time of work on an engine with these costs. */
function timeMs({ promptTokens, outputTokens, decoding }: EngineWork, [p, a, b]: Costs): number {
  return p * promptTokens + (a + b * decoding) * outputTokens;
}

type Costs = readonly [promptTokenMs: number, stepMs: number, decodingMs: number];

/** Answers of all kinds: long and short prompts and answers, alone and among others. */
const varied: readonly EngineWork[] = Array.from({ length: 400 }, (_, index) => ({
  promptTokens: 200 + 911 * (index % 23),
  outputTokens: 20 + 37 * (index % 11),
  decoding: 1 + 3 * (index % 7),
}));

function learned(works: readonly EngineWork[], costs: Costs, usualMs = 5_000): WorkCosts {
  const result = new WorkCosts();
  for (const work of works) result.note(work, timeMs(work, costs), usualMs);
  return result;
}

function readFrom(costs: WorkCosts): Costs {
  return [costs.promptMs(1), costs.stepMs(0), costs.stepMs(1) - costs.stepMs(0)];
}

describe("the costs of an engine's work", () => {
  it("are those of a model of 10 B parameters before the first answer", () => {
    const costs = new WorkCosts();
    // 600 / 6 + 10 x (20 + 4 x 0.3)
    const work = { promptTokens: 600, outputTokens: 10, decoding: 4 };
    expect(costs.expectedMs(work)).toBeCloseTo(312, 9);
  });

  it.each([
    ["a fast engine", [0.05, 8, 0.1]],
    ["a slow engine", [1, 90, 2]],
    ["one that is quick at prompts and slow at answers", [0.15, 40, 0.5]],
    ["one that is slow at prompts and quick at answers", [0.6, 12, 0.3]],
  ] as const)("are told apart by varied answers: %s", (_, costs) => {
    const found = readFrom(learned(varied, costs));
    for (const [index, cost] of costs.entries()) {
      expect(Math.abs((found[index] ?? 0) / cost - 1)).toBeLessThan(0.4);
    }
  });

  it.each([0.5, 2, 4])("keep their proportions if all answers are alike: %d times", (slow) => {
    const alike = { promptTokens: 600, outputTokens: 10, decoding: 4 };
    const answers = Array.from({ length: 60 }, () => alike);
    const costs = learned(answers, [slow / 6, slow * 20, slow * 0.3], 300);
    expect(Math.abs(costs.expectedMs(alike) / (slow * 312) - 1)).toBeLessThan(0.15);
    const [p, a, b] = readFrom(costs);
    for (const multiple of [p * 6, a / 20, b / 0.3]) {
      expect(Math.abs(multiple / slow - 1)).toBeLessThan(0.3);
    }
  });

  it("take an answer for at most twice or half of what is expected", () => {
    const work = { promptTokens: 600, outputTokens: 10, decoding: 4 };
    const [late, twice] = [new WorkCosts(), new WorkCosts()];
    late.note(work, 312_000, 5_000);
    twice.note(work, 624, 5_000);
    expect(readFrom(late)).toEqual(readFrom(twice));
  });

  it("follow an engine that becomes four times slower", () => {
    const costs = learned(varied, [1 / 6, 20, 0.3]);
    for (const work of varied.slice(0, 100))
      costs.note(work, timeMs(work, [4 / 6, 80, 1.2]), 5_000);
    const expectedMs = costs.expectedMs({ promptTokens: 6_000, outputTokens: 100, decoding: 8 });
    // 4 x (1,000 + 100 x 22.4)
    expect(Math.abs(expectedMs / 12_960 - 1)).toBeLessThan(0.35);
  });

  it("are positive and finite after any answers", () => {
    const answer = fc.record({
      promptTokens: fc.integer({ min: 1, max: 200_000 }),
      outputTokens: fc.integer({ min: 0, max: 20_000 }),
      decoding: fc.integer({ min: 1, max: 500 }),
      tookMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 50 }), (answers) => {
        const costs = new WorkCosts();
        for (const { tookMs, ...work } of answers) costs.note(work, tookMs, 5_000);
        for (const cost of readFrom(costs)) {
          expect(cost).toBeGreaterThan(0);
          expect(cost).toBeLessThan(1e6);
        }
      }),
    );
  });
});
