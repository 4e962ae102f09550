import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { drain } from "./drain.ts";

function draining({ openStreams = 0, quietMs = 2_000, timeoutMs = 30_000 } = {}) {
  const clock = new FakeClock();
  const transport = {
    openStreams,
    streamsTotal: openStreams,
    hasGoneAway: false,
    goAway() {
      this.hasGoneAway = true;
    },
  };
  const cut = new AbortController();
  let isDone = false;
  const done = drain(transport, { timeoutMs, quietMs, clock }, cut.signal).then(() => {
    isDone = true;
  });
  return { clock, transport, cut, done, isDone: () => isDone };
}

describe("draining", () => {
  it("stays open until no stream has come for the quiet time, then is done", async () => {
    const { clock, transport, isDone } = draining();
    await clock.advance(1_950);
    expect(transport.hasGoneAway).toBe(false);
    await clock.advance(100);
    expect(transport.hasGoneAway).toBe(true);
    expect(isDone()).toBe(true);
  });

  it("restarts the quiet time with each new stream", async () => {
    const { clock, transport, isDone } = draining();
    await clock.advance(1_500);
    transport.streamsTotal += 1;
    await clock.advance(1_500);
    expect(transport.hasGoneAway).toBe(false);
    await clock.advance(1_000);
    expect(isDone()).toBe(true);
  });

  it("tells proxies to go away after half of its time at the latest, and waits for the rest", async () => {
    const { clock, transport, isDone } = draining({ openStreams: 1 });
    for (let second = 0; second < 14; second += 1) {
      transport.streamsTotal += 1;
      await clock.advance(1_000);
    }
    expect(transport.hasGoneAway).toBe(false);
    transport.streamsTotal += 1;
    await clock.advance(1_100);
    expect(transport.hasGoneAway).toBe(true);
    await clock.advance(14_000);
    expect(isDone()).toBe(false);
    await clock.advance(1_000);
    // 30 s are over, the stream is still open.
    expect(isDone()).toBe(true);
  });

  it("is done as soon as the last stream has ended", async () => {
    const { clock, transport, isDone } = draining({ openStreams: 1 });
    await clock.advance(5_000);
    expect(isDone()).toBe(false);
    transport.openStreams = 0;
    await clock.advance(100);
    expect(isDone()).toBe(true);
  });

  it("ends at once if it is cut, without a timer left", async () => {
    const { clock, cut, done } = draining({ openStreams: 1 });
    cut.abort();
    await done;
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not wait for a quiet time of 0", async () => {
    const { done, clock } = draining({ quietMs: 0 });
    await done;
    expect(clock.nowMs()).toBe(new FakeClock().nowMs());
  });
});
