import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { OpenLoad, Target } from "./load.ts";
import type { Outcome } from "./tally.ts";
import type { LoadRequest } from "./workload.ts";

const request: LoadRequest = { path: "/", body: "{}" };

/** With this chance every gap is the mean one: -ln(1 - x) = 1. */
const evenly = () => 1 - 1 / Math.E;

function aTarget(clock: FakeClock, tookMs: number, concurrentMax = 100) {
  const outcomes: Outcome[] = [];
  const target = new Target({
    concurrentMax,
    async send(_, cut) {
      const sentMs = clock.nowMs();
      await clock.sleep(tookMs, cut);
      if (cut.aborted) return undefined;
      return { sentMs, endedMs: clock.nowMs(), result: "200", isError: false };
    },
    onOutcome: (outcome) => void outcomes.push(outcome),
  });
  return { target, outcomes };
}

/** A load of 10 requests a second to one target that takes `tookMs`, and another one that takes a millisecond. */
function aLoad(
  tookMs: number,
  { concurrentMax = 100, patienceMs = 1_000 }: { concurrentMax?: number; patienceMs?: number } = {},
) {
  const clock = new FakeClock();
  const { target, outcomes } = aTarget(clock, tookMs, concurrentMax);
  const other = aTarget(clock, 1);
  const load = new OpenLoad(
    { requestsPerSecond: 10, patienceMs },
    { clock, random: evenly, next: () => request, targets: [target, other.target] },
  );
  const stop = new AbortController();
  const hurry = new AbortController();
  const ran = load.run(stop.signal, hurry.signal);
  return { clock, load, target, outcomes, other, stop, hurry, ran };
}

describe("OpenLoad", () => {
  it("sends at its rate however long the answers take", async () => {
    const { clock, target, outcomes } = aLoad(500);
    // Due at 100, 200, ..., 1,000 ms; those of 100 to 500 ms have ended by then.
    await clock.advance(1_000);
    expect(outcomes).toHaveLength(5);
    expect(target.requestsUnderWay).toBe(5);
  });

  it("sends each request to every target at the same moment, however busy another one is", async () => {
    const { clock, load, outcomes, other } = aLoad(500);
    await clock.advance(1_001);
    expect(load.requestsSent).toBe(10);
    expect(other.outcomes).toHaveLength(10);
    const sentMs = outcomes.map((outcome) => outcome.sentMs);
    expect(other.outcomes.slice(0, 5).map((outcome) => outcome.sentMs)).toEqual(sentMs);
  });

  it("holds back what exceeds its bound", async () => {
    const { clock, target } = aLoad(10_000, { concurrentMax: 3 });
    await clock.advance(1_000);
    expect(target.requestsUnderWay).toBe(3);
    expect(target.requestsHeldBack).toBe(7);
  });

  it("lets what is under way end, once it is stopped", async () => {
    const { clock, target, outcomes, stop, ran } = aLoad(500);
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(500);
    await ran;
    expect(outcomes).toHaveLength(10);
    expect(target.requestsUnfinished).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("cuts what outlasts its patience, and calls it unfinished", async () => {
    const { clock, target, outcomes, stop, ran } = aLoad(10_000, { patienceMs: 300 });
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(299);
    expect(target.requestsUnderWay).toBe(10);
    await clock.advance(1);
    await ran;
    expect(outcomes).toHaveLength(0);
    expect(target.requestsUnfinished).toBe(10);
    expect(clock.pendingTimers).toBe(0);
  });

  it("cuts everything at once in a hurry", async () => {
    const { clock, target, stop, hurry, ran } = aLoad(10_000);
    await clock.advance(200);
    hurry.abort();
    stop.abort();
    await ran;
    expect(target.requestsUnfinished).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });
});
