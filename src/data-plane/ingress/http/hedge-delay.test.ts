import { describe, expect, it } from "vitest";
import { HedgeDelay } from "./hedge-delay.ts";

describe("the time until a request is hedged", () => {
  it("is fixed if it was given", () => {
    const delay = new HedgeDelay({ kind: "fixed", ms: 500 });
    expect([delay.msFor(undefined), delay.msFor(9_000)]).toEqual([500, 500]);
  });

  it("is a percentile of the last waits, once a hundred are known", () => {
    const delay = new HedgeDelay({ kind: "percentile", share: 0.95 });
    for (let wait = 1; wait < 100; wait += 1) delay.note(wait, undefined);
    expect(delay.msFor(undefined)).toBeUndefined();
    delay.note(100, undefined);
    // Index floor(99 x 0.95) = 94 of 1 to 100.
    expect(delay.msFor(undefined)).toBe(95);
    // A thousand newer ones replace them.
    for (let wait = 0; wait < 1_000; wait += 1) delay.note(7, undefined);
    expect(delay.msFor(undefined)).toBe(7);
  });

  it("grows with the predicted time, so that expected waits hedge nothing", () => {
    const delay = new HedgeDelay({ kind: "percentile", share: 0.95 });
    // Waits of 1.01 to 2 times the prediction, whatever it is.
    for (let percent = 1; percent <= 100; percent += 1) {
      const predictedMs = 10 * percent;
      delay.note(predictedMs * (1 + percent / 100), predictedMs);
    }
    expect(delay.msFor(4_000)).toBeCloseTo(1.95 * 4_000, 6);
    // A prediction of nothing counts as a millisecond.
    expect(delay.msFor(0)).toBeCloseTo(1.95, 6);
  });

  it("is unknown for a request whose prediction is, and learns nothing from it", () => {
    const delay = new HedgeDelay({ kind: "percentile", share: 0.5 });
    for (let wait = 0; wait < 100; wait += 1) {
      delay.note(200, 100);
      delay.note(9_000, Number.NaN);
    }
    expect([delay.msFor(100), delay.msFor(Number.NaN)]).toEqual([200, undefined]);
  });
});
