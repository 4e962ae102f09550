import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { BodyPace, paced } from "./body-pace.ts";

/** Sends a piece of these bytes every `everyMs`; returns the milliseconds until it was too slow, or undefined. */
async function slowAfter(bytes: number, everyMs: number, patienceMs = 10_000) {
  const clock = new FakeClock();
  const slow: number[] = [];
  const pace = new BodyPace(patienceMs, clock, () => void slow.push(clock.nowMs()));
  pace.waits();
  for (let piece = 0; piece < 100 && slow.length === 0; piece += 1) {
    await clock.advance(everyMs);
    if (slow.length > 0) break;
    pace.received(bytes);
    pace.waits();
  }
  pace.stop();
  return { slow, timers: clock.pendingTimers };
}

async function* pieces() {
  yield Buffer.alloc(1);
  yield Buffer.alloc(1);
}

describe("the patience with a body", () => {
  it.each([
    // One pause may take all of it, and is over with the next byte.
    { bytes: 0, everyMs: 60_000, slowMs: 10_000 },
    // 2 KiB earn 2 s, so that 1 s each never uses it up.
    { bytes: 2_048, everyMs: 1_000, slowMs: undefined },
    // 1 byte in 1 s: after 10 pieces 10 s are used up, and 10 bytes have earned 10 ms.
    { bytes: 1, everyMs: 1_000, slowMs: 10_009 },
    // 512 B earn 0.5 s of each second: after 18 s 1 s is left, which the next wait uses up.
    { bytes: 512, everyMs: 1_000, slowMs: 19_000 },
    // Much at once earns no more than the whole of it.
    { bytes: 1_000_000, everyMs: 11_000, slowMs: 10_000 },
  ])("with $bytes B every $everyMs ms is over after $slowMs ms", async (row) => {
    const { slow, timers } = await slowAfter(row.bytes, row.everyMs);
    expect(timers).toBe(0);
    expect(slow.map(Math.floor)).toEqual(row.slowMs === undefined ? [] : [row.slowMs]);
  });

  it("does not count the time in which the reader wants nothing", async () => {
    const clock = new FakeClock();
    let isSlow = false;
    const pace = new BodyPace(1_000, clock, () => void (isSlow = true));
    for await (const piece of paced(pieces(), pace)) {
      expect(piece.length).toBe(1);
      // The engine takes its time.
      await clock.advance(60_000);
    }
    expect([isSlow, clock.pendingTimers]).toEqual([false, 0]);
  });
});
