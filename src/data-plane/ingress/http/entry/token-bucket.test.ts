import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { durationText } from "./rate-limit.ts";
import { TokenBucket } from "./token-bucket.ts";

describe("a limit of 60 per minute", () => {
  it("allows 60 at once, then one each second", async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    for (let taken = 0; taken < 60; taken += 1) {
      expect(bucket.msUntil(1)).toBe(0);
      bucket.take(1);
    }
    expect(bucket.msUntil(1)).toBe(1_000);
    await clock.advance(1_000);
    expect(bucket.msUntil(1)).toBe(0);
    await clock.advance(3_600_000);
    expect(bucket.level).toBe(60);
  });

  it("can be overdrawn, and then waits until it has recovered", async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    bucket.take(90);
    // 30 below zero and 1 above it: 31 s.
    expect([bucket.level, bucket.msUntil(1)]).toEqual([-30, 31_000]);
    bucket.take(-30);
    expect(bucket.msUntil(1)).toBe(1_000);
  });

  it("allows more than all of it only when it is full", async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    expect(bucket.msUntil(1_000)).toBe(0);
    bucket.take(1);
    expect(bucket.msUntil(1_000)).toBe(1_000);
  });
});

describe("the time until a limit is whole", () => {
  it.each([
    [0, "0ms"],
    [19.2, "20ms"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [60_000, "1m0s"],
    [361_000, "6m1s"],
  ])("of %d ms is %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
