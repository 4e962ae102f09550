import { describe, expect, it } from "vitest";
import { ArrivalDelay } from "./arrival-delay.ts";

/** Pings at these times, each answered after so many milliseconds. */
function measured(...pings: readonly (readonly [atMs: number, afterMs: number])[]): ArrivalDelay {
  const delay = new ArrivalDelay();
  const payloads = pings.map(([atMs]) => Buffer.from(delay.due(atMs) ?? "none due"));
  for (const [index, [atMs, afterMs]] of pings.entries()) {
    // In a frame, which has a head.
    const frame = Buffer.concat([Buffer.alloc(9), payloads[index] ?? Buffer.alloc(8)]);
    delay.answered(frame, 9, atMs + afterMs);
  }
  return delay;
}

const days50Ms = 2 ** 32;

describe("the delay of a connection", () => {
  it.for<[string, ArrivalDelay, number, number]>([
    [
      "the same after 50 days",
      measured([0, 0], [days50Ms - 9, 50], [days50Ms + 99, 40]),
      days50Ms + 139,
      40,
    ],
    ["in whole milliseconds", measured([0, 0], [100.9, 300.2], [200.9, 300.2]), 501, 301],
  ])("is %s", ([, delay, nowMs, delayMs]) => {
    expect(delay.delayMs(nowMs)).toBe(delayMs);
  });

  it("ignores answers to other pings", () => {
    const delay = measured([0, 0], [100, 900], [200, 900]);
    delay.answered(Buffer.from("go away!"), 0, 1_150);
    expect(delay.delayMs(1_150)).toBe(900);
  });
});
