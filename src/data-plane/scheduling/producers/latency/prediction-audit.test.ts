import { describe, expect, it } from "vitest";
import { PredictionAudit } from "./prediction-audit.ts";

describe("the audit of predictions", () => {
  it("sums predictions, answers and errors of each endpoint", () => {
    const audit = new PredictionAudit();
    audit.noteTtft(0, { predictedMs: 100, ttftMs: 80, atMs: 0 });
    audit.noteTtft(0, { predictedMs: 50, ttftMs: 100, atMs: 0 });
    audit.noteCached(0, 512, 500);
    expect(audit.of(0)).toMatchObject({
      ttftCount: 2,
      predictedTtftMs: 150,
      ttftMs: 180,
      ttftErrorMs: 70,
      predictedCachedTokens: 512,
      cachedTokens: 500,
    });
    // (20/80 + 50/100) / 2
    expect(audit.ttftErrorRatio(0, 0)).toBeCloseTo(0.375, 9);
    expect(audit.of(1)).toBeUndefined();
    expect(audit.ttftErrorRatio(1, 0)).toBeNaN();
  });

  it("halves the weight of an error in two minutes, and has none after ten without answers", () => {
    const audit = new PredictionAudit();
    audit.noteTtft(0, { predictedMs: 200, ttftMs: 100, atMs: 0 });
    audit.noteTtft(0, { predictedMs: 100, ttftMs: 100, atMs: 120_000 });
    // 1 x 0.5 / (0.5 + 1)
    expect(audit.ttftErrorRatio(0, 720_000)).toBeCloseTo(1 / 3, 9);
    expect(audit.ttftErrorRatio(0, 720_001)).toBeNaN();
  });

  it("has an error after cached tokens only once there are times", () => {
    const audit = new PredictionAudit();
    audit.noteCached(0, 512, 500);
    expect(audit.ttftErrorRatio(0, 0)).toBeNaN();
    audit.noteTtft(0, { predictedMs: 150, ttftMs: 100, atMs: 5 });
    expect(audit.ttftErrorRatio(0, 5)).toBe(0.5);
  });

  it("ignores an answer without a prediction, and bounds the error of one that took no time", () => {
    const audit = new PredictionAudit();
    audit.noteTtft(0, { predictedMs: Number.NaN, ttftMs: 80, atMs: 0 });
    expect(audit.of(0)).toBeUndefined();
    audit.noteTtft(0, { predictedMs: 20, ttftMs: 0, atMs: 0 });
    expect(audit.ttftErrorRatio(0, 0)).toBe(20);
  });

  it("starts afresh with another endpoint in the slot", () => {
    const audit = new PredictionAudit();
    audit.noteTtft(0, { predictedMs: 100, ttftMs: 80, atMs: 0 });
    audit.forget(0);
    expect(audit.of(0)).toBeUndefined();
  });
});
