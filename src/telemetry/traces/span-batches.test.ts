import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { BatchSettings } from "./otel-environment.ts";
import type { Span, SpanGroup } from "./span.ts";
import { type DropReason, SpanBatches } from "./span-batches.ts";
import type { SendResult } from "./span-sender.ts";

const settings: BatchSettings = {
  ...{ queuedSpansMax: 20, batchSpansMax: 10, delayMs: 5_000, closeTimeoutMs: 3_000 },
};

const span: Span = {
  ...{ id: "", parentId: undefined, hasRemoteParent: false, name: "a", kind: "internal" },
  ...{ startedMs: 0, endedMs: 0, attributes: {}, events: [], error: undefined },
};
const groupOf = (count: number): SpanGroup => ({
  ...{ traceId: "", traceState: "", originMs: 0 },
  spans: Array.from({ length: count }, () => span),
});

const acceptedBut = (rejectedSpans: number): SendResult => ({
  ...{ kind: "accepted", rejectedSpans, message: "too old" },
});
const accepted = acceptedBut(0);
const later = (afterMs?: number): SendResult => ({ kind: "retry", reason: "no room", afterMs });

/** Batches for a collector that gives these results, then takes everything; `undefined` hangs until it is cut off. */
function batches(results: (SendResult | undefined)[], changed: Partial<BatchSettings> = {}) {
  const clock = new FakeClock();
  const sentAtMs: number[] = [];
  const sizes: number[] = [];
  const dropped: Partial<Record<DropReason, number>> = {};
  const states: (string | undefined)[] = [];
  let sent = 0;
  let isClosed = false;
  const queue = new SpanBatches({
    settings: { ...settings, ...changed },
    clock,
    random: () => 1,
    encode: (groups) => {
      sizes.push(groups.reduce((sum, { spans }) => sum + spans.length, 0));
      return Buffer.alloc(0);
    },
    sender: {
      send: (_, signal) => {
        sentAtMs.push(clock.nowMs());
        const result = results.length === 0 ? accepted : results.shift();
        if (result !== undefined) return Promise.resolve(result);
        return new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve(later()), { once: true });
        });
      },
      close: () => (isClosed = true),
    },
    onSent: (spans) => (sent += spans),
    onDropped: (reason, spans) => (dropped[reason] = (dropped[reason] ?? 0) + spans),
    onState: (state) => states.push(state),
  });
  return {
    ...{ clock, queue, sentAtMs, sizes, dropped, states },
    sent: () => sent,
    isClosed: () => isClosed,
  };
}

describe("batches of spans", () => {
  it("leave after the delay, or at once if there are enough", async () => {
    const { queue, clock, sentAtMs, sizes } = batches([]);
    queue.add(groupOf(3));
    queue.add(groupOf(3));
    await clock.advance(4_999);
    expect(sentAtMs).toEqual([]);
    await clock.advance(1);
    expect(sentAtMs).toEqual([5_000]);
    queue.add(groupOf(8));
    queue.add(groupOf(8));
    await clock.advance(0);
    expect(sentAtMs).toEqual([5_000, 5_000, 5_000]);
    // A request's spans stay together.
    expect(sizes).toEqual([6, 8, 8]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are sent again after pauses that double, and given up after a minute", async () => {
    const { queue, clock, sentAtMs, dropped, sent } = batches(
      Array.from({ length: 6 }, () => later()),
    );
    queue.add(groupOf(10));
    await clock.advance(120_000);
    expect(sentAtMs).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    expect({ dropped, sent: sent(), queued: queue.queuedSpans }).toEqual({
      dropped: { failed: 10 },
      sent: 0,
      queued: 0,
    });
  });

  it("wait as long as the collector asks for, and so does the batch after one that is given up", async () => {
    const { queue, clock, sentAtMs, dropped } = batches([later(7_000), later(90_000)]);
    queue.add(groupOf(10));
    await clock.advance(8_000);
    expect(sentAtMs).toEqual([0, 7_000]);
    expect(dropped).toEqual({ failed: 10 });
    queue.add(groupOf(10));
    await clock.advance(200_000);
    expect(sentAtMs).toEqual([0, 7_000, 97_000]);
  });

  it("wait for no longer than five minutes", async () => {
    const { queue, clock, sentAtMs } = batches([later(1e12)]);
    queue.add(groupOf(10));
    queue.add(groupOf(10));
    await clock.advance(400_000);
    expect(sentAtMs).toEqual([0, 300_000]);
  });

  it("have a bound: what comes then is dropped", async () => {
    const { queue, clock, dropped, sent } = batches([undefined]);
    for (let count = 0; count < 5; count += 1) queue.add(groupOf(6));
    await clock.advance(1_000);
    expect({ dropped, queued: queue.queuedSpans, sent: sent() }).toEqual({
      dropped: { "queue-full": 12 },
      queued: 18,
      sent: 0,
    });
  });

  it("count what the collector does not take", async () => {
    const partial = acceptedBut(4);
    const refused: SendResult = { kind: "refused", reason: "HTTP status 400" };
    const { queue, clock, dropped, sent, states } = batches([partial, refused]);
    queue.add(groupOf(10));
    await clock.advance(0);
    queue.add(groupOf(10));
    await clock.advance(0);
    expect({ dropped, sent: sent(), states }).toEqual({
      dropped: { refused: 14 },
      sent: 6,
      states: ["spans rejected: too old", "HTTP status 400"],
    });
  });

  it("leave at the end, without the delay", async () => {
    const { queue, sent, isClosed, clock } = batches([]);
    queue.add(groupOf(2));
    await queue.close();
    expect({ sent: sent(), isClosed: isClosed(), timers: clock.pendingTimers }).toEqual({
      ...{ sent: 2, isClosed: true, timers: 0 },
    });
  });

  it("have one try at the end, and no pause", async () => {
    const { queue, dropped, clock, sent } = batches([later(60_000), later()]);
    queue.add(groupOf(10));
    queue.add(groupOf(10));
    await clock.advance(0);
    await queue.close();
    expect({ dropped, sent: sent() }).toEqual({ dropped: { shutdown: 10 }, sent: 10 });
    queue.add(groupOf(1));
    expect(dropped).toEqual({ shutdown: 11 });
  });

  it("do not hold the end up if the collector hangs", async () => {
    const { queue, dropped, clock, isClosed } = batches([undefined, undefined]);
    queue.add(groupOf(10));
    queue.add(groupOf(10));
    const closed = queue.close();
    await clock.advance(2_999);
    expect(isClosed()).toBe(false);
    await clock.advance(1);
    await closed;
    expect({ dropped, isClosed: isClosed() }).toEqual({
      dropped: { shutdown: 20 },
      isClosed: true,
    });
  });

  it("account for every span, whatever the collector does", async () => {
    const result = fc.oneof(
      fc.constant(accepted),
      fc.nat(40).map((rejectedSpans): SendResult => acceptedBut(rejectedSpans)),
      fc.constant<SendResult>({ kind: "refused", reason: "no" }),
      fc.option(fc.nat(100_000), { nil: undefined }).map((afterMs) => later(afterMs)),
      fc.constant(undefined),
    );
    const step = fc.record({ spans: fc.integer({ min: 1, max: 30 }), pauseMs: fc.nat(20_000) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(result, { maxLength: 12 }),
        fc.array(step, { maxLength: 12 }),
        async (results, steps) => {
          const { queue, clock, dropped, sent } = batches(results);
          let added = 0;
          for (const { spans, pauseMs } of steps) {
            queue.add(groupOf(spans));
            added += spans;
            expect(queue.queuedSpans).toBeLessThanOrEqual(settings.queuedSpansMax);
            await clock.advance(pauseMs);
          }
          const closed = queue.close();
          await clock.advance(settings.closeTimeoutMs);
          await closed;
          const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
          expect({ all: sent() + lost, queued: queue.queuedSpans }).toEqual({
            all: added,
            queued: 0,
          });
          expect(clock.pendingTimers).toBe(0);
        },
      ),
    );
  });
});
