import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type LoadOptions, OpenLoad } from "./load.ts";
import type { Outcome } from "./tally.ts";
import type { LoadRequest } from "./workload.ts";

const request: LoadRequest = { method: "GET", path: "/", isStream: false, body: undefined };

/** With this chance every gap is the mean one: -ln(1 - x) = 1. */
const evenly = () => 1 - 1 / Math.E;

function aLoad(tookMs: number, options: Partial<LoadOptions> = {}) {
  const clock = new FakeClock();
  const outcomes: Outcome[] = [];
  const load = new OpenLoad(
    { requestsPerSecond: 10, concurrentMax: 100, patienceMs: 1_000, ...options },
    {
      clock,
      random: evenly,
      next: () => request,
      async send(_, cut) {
        await clock.sleep(tookMs, cut);
        return cut.aborted ? undefined : { endedMs: clock.nowMs(), result: "200", isError: false };
      },
      onOutcome: (outcome) => void outcomes.push(outcome),
    },
  );
  const stop = new AbortController();
  const hurry = new AbortController();
  const ran = load.run(stop.signal, hurry.signal);
  return { clock, load, outcomes, stop, hurry, ran };
}

describe("OpenLoad", () => {
  it("sends at its rate however long the answers take", async () => {
    const { clock, load, outcomes } = aLoad(500);
    // Due at 100, 200, ..., 1,000 ms; those of 100 to 500 ms have ended by then.
    await clock.advance(1_000);
    expect(outcomes).toHaveLength(5);
    expect(load.requestsUnderWay).toBe(5);
  });

  it("holds back what exceeds its bound", async () => {
    const { clock, load } = aLoad(10_000, { concurrentMax: 3 });
    await clock.advance(1_000);
    expect(load.requestsUnderWay).toBe(3);
    expect(load.requestsHeldBack).toBe(7);
  });

  it("lets what is under way end, once it is stopped", async () => {
    const { clock, load, outcomes, stop, ran } = aLoad(500);
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(500);
    await ran;
    expect(outcomes).toHaveLength(10);
    expect(load.requestsUnfinished).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("cuts what outlasts its patience, and calls it unfinished", async () => {
    const { clock, load, outcomes, stop, ran } = aLoad(10_000, { patienceMs: 300 });
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(299);
    expect(load.requestsUnderWay).toBe(10);
    await clock.advance(1);
    await ran;
    expect(outcomes).toHaveLength(0);
    expect(load.requestsUnfinished).toBe(10);
    expect(clock.pendingTimers).toBe(0);
  });

  it("cuts everything at once in a hurry", async () => {
    const { clock, load, stop, hurry, ran } = aLoad(10_000);
    await clock.advance(200);
    hurry.abort();
    stop.abort();
    await ran;
    expect(load.requestsUnfinished).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });
});
