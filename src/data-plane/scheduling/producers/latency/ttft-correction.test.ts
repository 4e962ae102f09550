import { describe, expect, it } from "vitest";
import { TtftCorrection } from "./ttft-correction.ts";

/** Samples with a fixed cost and steps that cost a tenth more than expected. */
function feed(correction: TtftCorrection, count: number, fixedMs: number): void {
  for (let sample = 0; sample < count; sample += 1) {
    const expectedMs = 50 + 100 * (sample % 10);
    correction.note(expectedMs, fixedMs + 1.1 * expectedMs);
  }
}

function corrected(count: number): TtftCorrection {
  const correction = new TtftCorrection();
  feed(correction, count, 30);
  return correction;
}

describe("the correction of expected times", () => {
  it("adds 20 ms before anything is known", () => {
    const correction = new TtftCorrection();
    expect(correction.ttftMs(0)).toBeCloseTo(20, 3);
    expect(correction.ttftMs(1_000)).toBeCloseTo(1_020, 3);
  });

  it.each([50, 500, 2_000])("learns the cost of steps, as seen at %d ms", (expectedMs) => {
    const error = corrected(200).ttftMs(expectedMs) / (30 + 1.1 * expectedMs) - 1;
    expect(Math.abs(error)).toBeLessThan(0.02);
  });

  it("keeps to most answers if each third one shares its step with a long prompt", () => {
    const correction = corrected(200);
    for (let sample = 0; sample < 300; sample += 1) {
      correction.note(50, sample % 3 === 0 ? 270 : 85);
    }
    // The mean of 85, 85 and 270 is 147.
    expect(correction.ttftMs(50)).toBeLessThan(105);
  });

  it("follows engines whose steps come to cost more", () => {
    const correction = corrected(200);
    feed(correction, 300, 150);
    // 150 + 1.1 x 200
    expect(Math.abs(correction.ttftMs(200) / 370 - 1)).toBeLessThan(0.1);
  });

  it("takes a first token at once for one in 20 ms", () => {
    const correction = new TtftCorrection();
    for (let sample = 0; sample < 300; sample += 1) correction.note(0, 0);
    expect(correction.ttftMs(0)).toBeGreaterThanOrEqual(0);
    expect(correction.ttftMs(100)).toBeLessThan(200);
  });
});
