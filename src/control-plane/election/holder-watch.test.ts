import { beforeEach, describe, expect, it } from "vitest";
import { HolderWatch } from "./holder-watch.ts";

const record = {
  holderIdentity: "a",
  leaseDurationSeconds: 10,
  acquireTime: "2026-01-01T00:00:00.000000Z",
  renewTime: "2026-01-01T00:00:00.000000Z",
  leaseTransitions: 0,
};
const renewed = { ...record, renewTime: "2026-01-01T00:00:02.000000Z" };

let watch: HolderWatch;

beforeEach(() => {
  watch = new HolderWatch();
});

/** The record is seen every two seconds. */
function seen(shown: typeof record, { fromMs, untilMs }: { fromMs: number; untilMs: number }) {
  for (let atMs = fromMs; atMs <= untilMs; atMs += 2_000) sawAt(atMs, shown);
}

function sawAt(atMs: number, shown = record): void {
  watch.saw(shown, { askedAtMs: atMs, answeredAtMs: atMs });
}

describe("the watch on a holder", () => {
  it("lets a record expire that has not changed for its duration", () => {
    seen(record, { fromMs: 1_000, untilMs: 9_000 });
    sawAt(10_999);
    expect([watch.isExpired, watch.remainingMs(10_999)]).toEqual([false, 1]);
    sawAt(11_000);
    expect([watch.isExpired, watch.remainingMs(12_000)]).toEqual([true, 0]);
  });

  it("starts again with every change", () => {
    seen(record, { fromMs: 0, untilMs: 8_000 });
    seen(renewed, { fromMs: 9_000, untilMs: 17_000 });
    expect([watch.isExpired, watch.remainingMs(18_000)]).toEqual([false, 1_000]);
  });

  it("counts from the time of the request, not of the answer", () => {
    seen(record, { fromMs: 0, untilMs: 8_000 });
    // The answer shows the state at 9.5 s: the holder may have renewed since.
    watch.saw(record, { askedAtMs: 9_500, answeredAtMs: 12_000 });
    expect(watch.isExpired).toBe(false);
    sawAt(12_001);
    expect(watch.isExpired).toBe(true);
  });

  it("counts one read without an answer as contact", () => {
    seen(record, { fromMs: 0, untilMs: 4_000 });
    seen(record, { fromMs: 9_000, untilMs: 11_000 });
    expect(watch.isExpired).toBe(true);
  });

  it("starts again after a silence", () => {
    seen(record, { fromMs: 0, untilMs: 4_000 });
    sawAt(9_001);
    expect([watch.isExpired, watch.remainingMs(9_001)]).toEqual([false, 10_000]);
    sawAt(100_000);
    expect(watch.isExpired).toBe(false);
  });
});
