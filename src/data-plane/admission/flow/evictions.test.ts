import { describe, expect, it } from "vitest";
import { aLoad, endpoints } from "#test/support/builders.ts";
import { aSnapshot, aStanding } from "#test/support/snapshots.ts";
import { Evictions } from "./evictions.ts";

interface RunParts {
  readonly progress?: number;
  /** False if it cannot be ended any more. */
  readonly isOpen?: boolean;
  /** True if its stream does not end for now. */
  readonly hangs?: boolean;
}

function aRig() {
  let nowMs = 0;
  const told: string[] = [];
  const evicted: string[] = [];
  const messages: string[] = [];
  const evictions = new Evictions(
    {
      evictionIssued: (priority) => void told.push(`for ${priority}`),
      evictionEnded: (outcome, tookMs) => void told.push(`${outcome} ${tookMs}`),
    },
    () => nowMs,
  );
  const run = (name: string, priority: number, parts: RunParts = {}) => {
    const { progress = 0, isOpen = true, hangs = false } = parts;
    const follower = evictions.follow(
      {
        progress: () => progress,
        evict: ({ message }) => {
          if (!isOpen) return false;
          evicted.push(name);
          messages.push(message);
          if (!hangs) end();
          return true;
        },
      },
      priority,
    );
    // The queue reads no record.
    const end = () => follower.ended?.(undefined as never);
    return end;
  };
  const look = (
    waiting: Readonly<Record<number, number>>,
    parts: { saturation?: number; ceilings?: readonly number[]; inFlight?: number } = {},
  ) => {
    const { saturation = 1, ceilings = [], inFlight = 10 } = parts;
    const bands = Object.entries(waiting)
      .map(([priority, size]) => ({ priority: Number(priority), size, asideCount: 0 }))
      .toSorted((a, b) => b.priority - a.priority);
    const load = aLoad([{ inFlightRequests: inFlight }]);
    evictions.makeRoom({
      bands,
      from: 0,
      ceilingAt: (index) => ceilings[index] ?? 1,
      saturation,
      pool: aSnapshot({ endpoints: endpoints(1), load, nowMs, standing: aStanding() }),
      retryAfterSeconds: 3,
    });
  };
  return { evictions, told, evicted, messages, run, look, pass: (ms: number) => (nowMs += ms) };
}

describe("evictions", () => {
  it("end the lowest priority first, and of those the newest", () => {
    const { run, look, evicted, pass, messages } = aRig();
    run("old", -10);
    pass(1);
    run("new", -10);
    run("low", -1);
    run("lowest", -20);
    for (let round = 0; round < 5; round += 1) {
      look({ 100: 1 });
      pass(50);
    }
    expect(evicted).toEqual(["lowest", "new", "old", "low"]);
    expect(messages[0]).toBe("the request was evicted: requests of priority 100 wait");
  });

  it("end as many as the excess asks for, two at most", () => {
    // 1.2 for 60 in flight is 0.02 each; 0.2 above the ceiling would be 10 (worked example 12 of the peer).
    const excess = aRig();
    for (let index = 0; index < 12; index += 1) excess.run(`b-${index}`, -1);
    excess.look({ 0: 5 }, { saturation: 1.2, inFlight: 60 });
    expect(excess.evicted).toHaveLength(2);
    expect(excess.evictions.target).toBeCloseTo(0.2);
    const none = aRig();
    none.run("a", -1);
    none.run("b", -1);
    none.look({ 0: 5 });
    expect(none.evicted).toHaveLength(1);
  });

  it("wait until the ones before have ended and had their effect", () => {
    const { run, look, evicted, told, pass, evictions } = aRig();
    const end = run("hangs", -1, { hangs: true });
    look({ 0: 2 });
    run("next", -1);
    pass(9_999);
    look({ 0: 2 });
    expect([evicted, evictions.pending]).toEqual([["hangs"], 0.1]);
    end();
    look({ 0: 2 });
    pass(49);
    look({ 0: 2 });
    expect(evicted).toEqual(["hangs"]);
    pass(1);
    look({ 0: 2 });
    expect(evicted).toEqual(["hangs", "next"]);
    expect(told).toEqual(["for 0", "confirmed 9999", "for 0", "confirmed 0"]);
  });

  it("count as done after ten seconds, although the stream has not ended", () => {
    const { run, look, told, evicted, pass } = aRig();
    run("hangs", -1, { hangs: true });
    look({ 0: 1 });
    run("next", -1);
    pass(10_000);
    look({ 0: 1 });
    expect(told.slice(0, 2)).toEqual(["for 0", "timed_out 10000"]);
    expect(evicted).toEqual(["hangs", "next"]);
  });

  it.each([
    ["a band that waits is not above it", { "-1": 1 }, {}],
    ["only the band of its own priority waits", { "-1": 1, "-5": 3 }, {}],
    ["the band that waits has a ceiling of 0", { 0: 1 }, { ceilings: [0] }],
    ["the band that waits is not gated", { 0: 1 }, { saturation: 0.9 }],
    ["none waits", { 0: 0 }, {}],
  ] as const)("do not happen if %s", (_, waiting, parts) => {
    const { run, look, evicted } = aRig();
    run("batch", -1);
    look(waiting, parts);
    expect(evicted).toEqual([]);
  });

  it("happen for a lower band that waits behind a higher one without requests", () => {
    const { run, look, told } = aRig();
    run("batch", -10);
    look({ 100: 0, 0: 1 });
    expect(told[0]).toBe("for 0");
  });

  it("spare answers that are half sent, and those that have just ended", () => {
    const { run, look, evicted, evictions } = aRig();
    run("half", -1, { progress: 0.5 });
    run("less", -1, { progress: 0.49, isOpen: false });
    look({ 0: 1 });
    expect([evicted, evictions.pending]).toEqual([[], 0]);
  });

  it("are ten at most at once, and then one a second", () => {
    const { run, look, evicted, pass } = aRig();
    const second = (rounds: number) => {
      for (let round = 0; round < rounds; round += 1) {
        run(`r-${round}`, -1);
        look({ 0: 1 });
        pass(50);
      }
    };
    second(20);
    expect(evicted).toHaveLength(10);
    second(100);
    // 6 s have passed in all.
    expect(evicted).toHaveLength(15);
  });
});
