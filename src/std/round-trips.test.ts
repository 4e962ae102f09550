import { describe, expect, it } from "vitest";
import { RoundTrips } from "./round-trips.ts";

/** Probes that were answered at these times, after so many milliseconds. */
function measured(...trips: readonly (readonly [atMs: number, tookMs: number])[]): RoundTrips {
  const all = new RoundTrips();
  for (const [atMs, tookMs] of trips) all.answered(tookMs, atMs);
  return all;
}

describe("the delay by round trips", () => {
  it.for<[string, RoundTrips, number, number]>([
    ["nothing before the first answer", measured(), 0, 0],
    ["nothing after one long round trip", measured([900, 900]), 900, 0],
    // 900 - 10 for the way itself.
    ["the shorter of two", measured([10, 10], [1_000, 900], [1_400, 1_200]), 1_400, 890],
    ["gone as soon as the last one is short", measured([900, 900], [905, 5]), 905, 0],
    ["nothing 5 s after the last answer", measured([10, 10], [1_000, 900], [1_100, 900]), 6_101, 0],
    ["little on a slow way", measured([300, 300], [620, 320], [930, 310]), 930, 10],
  ])("is %s", ([, trips, nowMs, delayMs]) => {
    expect(trips.delayMs(nowMs)).toBe(delayMs);
  });

  it("is measured each 100 ms, also while answers are late", () => {
    const trips = new RoundTrips();
    expect([0, 99, 100, 150, 500].filter((nowMs) => trips.isDue(nowMs))).toEqual([0, 100, 500]);
  });
});
