import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { octaveOf, WorkCurve } from "./work-curve.ts";

function curveOf(
  ...points: readonly (readonly [tokens: number, requests: number, ttftMs: number])[]
) {
  const curve = new WorkCurve();
  for (const [tokens, requests, ttftMs] of points) {
    for (let count = 0; count < 20; count += 1) curve.note({ tokens, requests }, ttftMs);
  }
  return curve;
}

describe("an endpoint's usual times by their work", () => {
  it("are not known before 20 answers of a kind of work", () => {
    const curve = new WorkCurve();
    for (let count = 0; count < 19; count += 1) curve.note({ tokens: 100, requests: 1 }, 50);
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeUndefined();
    curve.note({ tokens: 100, requests: 1 }, 50);
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(50, 6);
  });

  it.each([
    // [work, usual of 100 tokens in 50 ms and 7,000 in 900 ms]
    [{ tokens: 100, requests: 1 }, 50],
    [{ tokens: 0, requests: 1 }, 50],
    // (256 + 456) / (256 + 100) = 2
    [{ tokens: 456, requests: 1 }, 100],
    // In proportion to 100 tokens 1,019 ms, but 7,000 tokens bound it.
    [{ tokens: 7_000, requests: 1 }, 900],
    // (256 + 14,256) / (256 + 7,000) = 2
    [{ tokens: 14_256, requests: 1 }, 1_800],
    // sqrt(4 / 1) = 2
    [{ tokens: 100, requests: 4 }, 100],
    // The larger of the two: 2 for the tokens, 3 for the requests.
    [{ tokens: 456, requests: 9 }, 150],
  ])("bound those of all other work: %o in %d ms", (work, usualMs) => {
    const curve = curveOf([100, 1, 50], [7_000, 1, 900]);
    expect(curve.usualMs(work)).toBeCloseTo(usualMs, 6);
  });

  it("are bounded by answers that needed at least some work, until the exact ones are lower", () => {
    const curve = new WorkCurve();
    for (let count = 0; count < 20; count += 1) {
      curve.noteAtLeast({ tokens: 100, requests: 1 }, 80);
    }
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(80, 6);
    for (let count = 0; count < 20; count += 1) curve.note({ tokens: 100, requests: 1 }, 50);
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(50, 6);
    for (let count = 0; count < 20; count += 1) curve.noteAtLeast({ tokens: 0, requests: 1 }, 90);
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(50, 6);
  });

  it("follow slowly: twenty late answers of 220 move them by a tenth", () => {
    const curve = curveOf([100, 1, 50]);
    for (let count = 0; count < 180; count += 1) curve.note({ tokens: 100, requests: 1 }, 50);
    for (let count = 0; count < 20; count += 1) curve.note({ tokens: 100, requests: 1 }, 250);
    // 50 x 5 ^ (1 - 0.995 ^ 20) = 50 x 5 ^ 0.0954
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(58.3, 1);
  });

  it("do not adopt a fault as usual any sooner if few answers are known", () => {
    const curve = curveOf([100, 1, 50]);
    for (let count = 0; count < 20; count += 1) curve.note({ tokens: 100, requests: 1 }, 250);
    expect(curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(58.3, 1);
  });

  it("are never longer for less work or fewer requests", () => {
    const point = fc.tuple(
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: 600_000 }),
    );
    fc.assert(
      fc.property(
        fc.array(point, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 600_000 }),
        fc.integer({ min: 0, max: 600_000 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 500 }),
        (...[points, tokens, moreTokens, requests, moreRequests]) => {
          const curve = curveOf(...points);
          const less = curve.usualMs({ tokens, requests }) ?? Number.NaN;
          const more = { tokens: tokens + moreTokens, requests: requests + moreRequests };
          expect(curve.usualMs(more)).toBeGreaterThanOrEqual(less * (1 - 1e-9));
        },
      ),
    );
  });
});

describe("the kinds of work", () => {
  it.each([
    [0, 0],
    [255, 0],
    [256, 1],
    [767, 1],
    [768, 2],
    [7_000, 4],
    [50_000, 7],
    [10_000_000, 11],
  ])("%d tokens are of kind %d", (tokens, octave) => {
    expect(octaveOf(tokens)).toBe(octave);
  });
});
