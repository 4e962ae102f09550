import fc from "fast-check";
import { expect, it } from "vitest";
import type { SaturationDetector } from "../../src/core/data-plane-plugin.ts";
import { aLoad, endpoints } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/** What every saturation detector owes admission, whatever it counts. */
export function itKeepsTheSaturationDetectorContract(detector: SaturationDetector): void {
  it("gives a number of 0 or more, whatever broken engines report", () => {
    fc.assert(
      fc.property(aPool, fc.double({ min: 0, max: 1e9, noNaN: true }), (pool, nowMs) => {
        const saturation = detector.saturation(pool.candidates, pool.load, nowMs);
        expect(saturation).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("calls an empty pool full", () => {
    expect(detector.saturation([], aLoad([]), 0)).toBe(1);
  });

  it("judges a thousand endpoints", () => {
    const rows = endpoints(1_000).map(({ slot }) => ({
      waitingRequests: slot % 3,
      kvCacheUsedRatio: 0.1,
      signalsAtMs: 0,
      inFlightRequests: slot % 5,
    }));
    expect(detector.saturation(endpoints(1_000), aLoad(rows), 0)).toBeGreaterThan(0);
  });

  it("changes neither the endpoints nor the load", () => {
    fc.assert(
      fc.property(aPool, ({ candidates, load }) => {
        const loadBefore = structuredClone(load);
        detector.saturation(Object.freeze([...candidates]), load, 0);
        expect(load).toEqual(loadBefore);
      }),
    );
  });
}
