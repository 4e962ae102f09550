import { describe, expect, it, vi } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { drain } from "./drain.ts";

function draining({
  openRequests = 0,
  quietMs = 2_000,
  timeoutMs = 30_000,
  refuseWaiting = (): number => 0,
} = {}) {
  const clock = new FakeClock();
  const ingress = {
    openRequests,
    requestsTotal: openRequests,
    hasGoneAway: false,
    goAway() {
      this.hasGoneAway = true;
    },
  };
  const cut = new AbortController();
  let isDone = false;
  const done = drain([ingress], { timeoutMs, quietMs, clock, refuseWaiting }, cut.signal).then(
    () => {
      isDone = true;
    },
  );
  return { clock, ingress, cut, done, isDone: () => isDone };
}

describe("draining", () => {
  it("stays open until no stream has come for the quiet time, then is done", async () => {
    const { clock, ingress, isDone } = draining();
    await clock.advance(1_950);
    expect(ingress.hasGoneAway).toBe(false);
    await clock.advance(100);
    expect(ingress.hasGoneAway).toBe(true);
    expect(isDone()).toBe(true);
  });

  it("restarts the quiet time with each new stream", async () => {
    const { clock, ingress, isDone } = draining();
    await clock.advance(1_500);
    ingress.requestsTotal += 1;
    await clock.advance(1_500);
    expect(ingress.hasGoneAway).toBe(false);
    await clock.advance(1_000);
    expect(isDone()).toBe(true);
  });

  it("tells proxies to go away after half of its time at the latest, and waits for the rest", async () => {
    const { clock, ingress, isDone } = draining({ openRequests: 1 });
    for (let second = 0; second < 14; second += 1) {
      ingress.requestsTotal += 1;
      await clock.advance(1_000);
    }
    expect(ingress.hasGoneAway).toBe(false);
    ingress.requestsTotal += 1;
    await clock.advance(1_100);
    expect(ingress.hasGoneAway).toBe(true);
    await clock.advance(14_000);
    expect(isDone()).toBe(false);
    await clock.advance(1_000);
    // 30 s are over, the stream is still open.
    expect(isDone()).toBe(true);
  });

  it("is done as soon as the last stream has ended", async () => {
    const { clock, ingress, isDone } = draining({ openRequests: 1 });
    await clock.advance(5_000);
    expect(isDone()).toBe(false);
    ingress.openRequests = 0;
    await clock.advance(100);
    expect(isDone()).toBe(true);
  });

  it("ends at once if it is cut, without a timer left", async () => {
    const { clock, cut, done } = draining({ openRequests: 1 });
    cut.abort();
    await done;
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    { name: "that are answered", answered: 2, doneAfterMs: 100 },
    { name: "whose proxies do not take the answers", answered: 1, doneAfterMs: 1_000 },
  ])(
    "refuses requests that wait when its time is over, $name",
    async ({ answered, doneAfterMs }) => {
      // Two of three open requests wait; the third one runs on and is cut off by the caller.
      const refuseWaiting = vi.fn<() => number>(() => 2);
      const { clock, ingress, isDone } = draining({ openRequests: 3, refuseWaiting });
      await clock.advance(29_900);
      expect(refuseWaiting).not.toHaveBeenCalled();
      await clock.advance(100);
      expect(refuseWaiting).toHaveBeenCalledOnce();
      expect(isDone()).toBe(false);
      ingress.openRequests -= answered;
      await clock.advance(doneAfterMs - 50);
      expect(isDone()).toBe(doneAfterMs === 100);
      await clock.advance(50);
      expect(isDone()).toBe(true);
    },
  );

  it("does not wait for a quiet time of 0", async () => {
    const { done, clock } = draining({ quietMs: 0 });
    await done;
    expect(clock.nowMs()).toBe(new FakeClock().nowMs());
  });
});

it("waits for every ingress, and tells each of them", async () => {
  const clock = new FakeClock();
  const ingresses = [0, 1].map((openRequests) => ({
    openRequests,
    requestsTotal: openRequests,
    hasGoneAway: false,
    goAway() {
      this.hasGoneAway = true;
    },
  }));
  let isDone = false;
  const options = { timeoutMs: 30_000, quietMs: 2_000, clock };
  void drain(ingresses, options, new AbortController().signal).then(() => (isDone = true));
  await clock.advance(1_500);
  // A new request on either port starts the quiet time again.
  for (const ingress of ingresses.slice(0, 1)) ingress.requestsTotal += 1;
  await clock.advance(1_500);
  expect(ingresses.map(({ hasGoneAway }) => hasGoneAway)).toEqual([false, false]);
  await clock.advance(600);
  expect(ingresses.map(({ hasGoneAway }) => hasGoneAway)).toEqual([true, true]);
  expect(isDone).toBe(false);
  for (const ingress of ingresses) ingress.openRequests = 0;
  await clock.advance(100);
  expect(isDone).toBe(true);
});
