import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpoints as someEndpoints } from "#test/support/builders.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { HealthSettings } from "../../core/health-settings.ts";
import { defaultHealth, EndpointHealth, type HealthEvent } from "./endpoint-health.ts";

const noChange = { added: [], removed: [], updated: [], refused: [] };

/** A pool of `count` endpoints that has been there from the start. */
function poolOf(count: number, settings: Partial<HealthSettings> = {}) {
  const events: HealthEvent[] = [];
  const health = new EndpointHealth({ onEvent: (event) => events.push(event) });
  health.settings = { ...defaultHealth, failuresInRowMax: 5, slowStartMs: 0, ...settings };
  const endpoints = someEndpoints(count);
  health.follow({ ...noChange, added: endpoints }, true, 0);
  const inFlight = new Float64Array(count + 4);
  let nowMs = 1_000;
  const well = () => health.wellOf(endpoints, inFlight, nowMs).map(({ slot }) => slot);
  /** One request with its answer, all at once. */
  const answer = (slot: number, outcome: "ok" | "failed" | "broken", ttftMs = 100) => {
    const endpoint = endpoints[slot];
    if (endpoint === undefined) throw new Error("a slot of the pool");
    const watched = health.sent(endpoint, nowMs);
    if (outcome !== "broken") watched?.answered(outcome === "failed", nowMs);
    if (outcome === "ok") watched?.began(ttftMs);
    watched?.ended(outcome === "broken", nowMs);
  };
  const everybody = (times: number, ttftMs = 100) => {
    for (let round = 0; round < times; round += 1) {
      for (const { slot } of endpoints) answer(slot, "ok", ttftMs);
    }
  };
  const told = () =>
    events.map(({ kind, endpoint, reason, ms }) => [kind, endpoint.slot, reason, ms]);
  return {
    health,
    endpoints,
    inFlight,
    well,
    answer,
    everybody,
    told,
    pass: (ms: number) => (nowMs += ms),
    now: () => nowMs,
  };
}

function at(endpoints: readonly Endpoint[], slot: number): Endpoint {
  const endpoint = endpoints[slot];
  if (endpoint === undefined) throw new Error("a slot of the pool");
  return endpoint;
}

describe("an endpoint's health", () => {
  it("costs nothing while all are well: the candidates are the very same array", () => {
    const { health, endpoints, inFlight } = poolOf(3);
    expect(health.wellOf(endpoints, inFlight, 5)).toBe(endpoints);
  });

  it("is lost by failures in a row, and not by the same number with an answer between them", () => {
    const { answer, well, told } = poolOf(4, { failureRatioMax: 0 });
    for (let count = 0; count < 4; count += 1) answer(1, "failed");
    answer(1, "ok");
    for (let count = 0; count < 4; count += 1) answer(1, "failed");
    expect(well()).toEqual([0, 1, 2, 3]);
    answer(1, "failed");
    expect(well()).toEqual([0, 2, 3]);
    expect(told()).toEqual([["ejected", 1, "failures", 10_000]]);
  });

  it("is lost by a share of failures that the others do not have", () => {
    const { answer, everybody, well, told } = poolOf(4, { failuresInRowMax: 0 });
    everybody(8);
    answer(2, "failed");
    answer(2, "failed");
    expect(well()).toHaveLength(4);
    // 3 of 11, and none of 24.
    answer(2, "failed");
    expect(told()).toEqual([["ejected", 2, "failure-ratio", 10_000]]);
  });

  it("is lost soon by a share of the last answers, however many good ones came before", () => {
    const { answer, everybody, told } = poolOf(4, { failuresInRowMax: 0 });
    everybody(200);
    for (let round = 0; round < 4; round += 1) {
      for (const outcome of ["failed", "ok", "ok", "ok", "ok"] as const) answer(2, outcome);
    }
    // 4 of the last 20, of 216 in all; chance would have it once in 100,000 at 1 %.
    expect(told()).toEqual([["ejected", 2, "failure-ratio", 10_000]]);
  });

  it("is kept where all fail alike: bad requests are not an endpoint's fault", () => {
    const { answer, well, told } = poolOf(4);
    for (let round = 0; round < 30; round += 1) {
      for (const slot of [0, 1, 2, 3]) answer(slot, "failed");
    }
    // The first to have five in a row fell before the others had failed as often.
    expect(told().length).toBeLessThanOrEqual(1);
    expect(well().length).toBeGreaterThanOrEqual(3);
  });

  it("is lost by answers that break off far more often than those of the others", () => {
    const { answer, everybody, told } = poolOf(4);
    everybody(10);
    for (let count = 0; count < 4; count += 1) answer(0, "broken");
    expect(told()).toEqual([["ejected", 0, "failure-ratio", 10_000]]);
  });

  it("is lost by times to first token far beyond its own usual ones", () => {
    const { answer, everybody, told } = poolOf(4);
    everybody(150);
    for (let count = 0; count < 30; count += 1) answer(3, "ok", 450);
    expect(told()).toEqual([["ejected", 3, "slow", 10_000]]);
  });

  it("is kept where all become slow together, and by one that has always been slow", () => {
    const { answer, everybody, told } = poolOf(3);
    for (let count = 0; count < 150; count += 1) answer(0, "ok", 5_000);
    everybody(150);
    everybody(60, 900);
    expect(told()).toEqual([]);
  });

  it("is lost where none of the waiting requests is answered while others are", () => {
    const { health, endpoints, answer, pass, now, well, told } = poolOf(3);
    const watched = health.sent(at(endpoints, 1), now());
    for (let second = 0; second < 11; second += 1) {
      pass(1_000);
      answer(0, "ok");
      well();
    }
    expect(told()).toEqual([["ejected", 1, "stalled", 10_000]]);
    // The client gives up at last, which is no further failure.
    watched?.ended(true, now());
    expect(told()).toHaveLength(1);
  });

  it("is kept where nobody answers, and while answers to others of its requests come", () => {
    const { health, endpoints, answer, pass, now, well, told } = poolOf(2);
    health.sent(at(endpoints, 0), now());
    health.sent(at(endpoints, 1), now());
    for (let second = 0; second < 60; second += 1) {
      pass(1_000);
      well();
    }
    expect(told()).toEqual([]);
    const later = poolOf(2);
    later.health.sent(at(later.endpoints, 1), later.now());
    for (let second = 0; second < 60; second += 1) {
      later.pass(1_000);
      later.answer(0, "ok");
      answer(1, "ok");
      later.answer(1, "ok");
      later.well();
    }
    expect(later.told()).toEqual([]);
  });
});

function fall(pool: ReturnType<typeof poolOf>, slot: number): void {
  for (let count = 0; count < 5; count += 1) pool.answer(slot, "failed");
}

describe("an ejected endpoint", () => {
  it("gets one request at a time when its time is over, and returns after three good answers", () => {
    const pool = poolOf(3);
    fall(pool, 1);
    pool.pass(9_999);
    expect(pool.well()).toEqual([0, 2]);
    pool.pass(1);
    expect(pool.well()).toEqual([0, 1, 2]);
    const trial = pool.health.sent(at(pool.endpoints, 1), pool.now());
    expect(pool.well()).toEqual([0, 2]);
    trial?.answered(false, pool.now());
    expect(pool.well()).toEqual([0, 1, 2]);
    pool.answer(1, "ok");
    pool.answer(1, "ok");
    expect(pool.told()).toEqual([
      ["ejected", 1, "failures", 10_000],
      ["returned", 1, "failures", 10_000],
    ]);
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "ready" });
  });

  it("goes again for twice as long at a bad answer, up to the longest time", () => {
    const pool = poolOf(3, { ejectionMsMax: 35_000 });
    fall(pool, 1);
    for (const ms of [10_000, 20_000, 35_000]) {
      pool.pass(ms);
      pool.well();
      pool.answer(1, "failed");
    }
    expect(pool.told().map(([, , , ms]) => ms)).toEqual([10_000, 20_000, 35_000, 35_000]);
  });

  it("goes for twice as long when it falls soon after its return, and not when long after", () => {
    const pool = poolOf(3);
    const fallAndReturn = () => {
      fall(pool, 1);
      pool.pass(300_000);
      pool.well();
      for (let count = 0; count < 3; count += 1) pool.answer(1, "ok");
    };
    fallAndReturn();
    fallAndReturn();
    pool.pass(600_000);
    fallAndReturn();
    const ejections = pool.told().filter(([kind]) => kind === "ejected");
    expect(ejections.map(([, , , ms]) => ms)).toEqual([10_000, 20_000, 10_000]);
  });

  it("returns from being slow only when its trial answers were not", () => {
    const pool = poolOf(3);
    pool.everybody(150);
    for (let count = 0; count < 30; count += 1) pool.answer(2, "ok", 450);
    for (const ttftMs of [450, 100]) {
      pool.pass(300_000);
      pool.well();
      for (let count = 0; count < 3; count += 1) pool.answer(2, "ok", ttftMs);
      // The third answer decides before its own time is known; the next trial begins with it.
    }
    expect(pool.told().map(([kind]) => kind)).toEqual(["ejected", "ejected", "returned"]);
  });

  it("is one of at most the allowed share, and never the last one", () => {
    const pool = poolOf(4, { ejectedRatioMax: 0.5 });
    pool.everybody(20);
    for (const slot of [0, 1, 2, 3]) {
      pool.everybody(20);
      fall(pool, slot);
    }
    expect(pool.well()).toHaveLength(2);
    const single = poolOf(1, { ejectedRatioMax: 1 });
    fall(single, 0);
    expect(single.told()).toEqual([]);
    const never = poolOf(4, { ejectedRatioMax: 0 });
    fall(never, 0);
    expect(never.told()).toEqual([]);
  });

  it("is a candidate where no other is", () => {
    const pool = poolOf(3);
    fall(pool, 1);
    const only = [at(pool.endpoints, 1)];
    expect(pool.health.wellOf(only, pool.inFlight, pool.now())).toBe(only);
  });

  it("falls and rises by active checks too", () => {
    const pool = poolOf(3);
    pool.health.checked(at(pool.endpoints, 1), false, pool.now());
    expect(pool.well()).toEqual([0, 2]);
    pool.health.checked(at(pool.endpoints, 1), true, pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "trial", reason: "check" });
  });
});

describe("an endpoint that is new", () => {
  it("gets a growing share of what the busiest has, and the whole of it at the end", () => {
    const pool = poolOf(2, { slowStartMs: 10_000 });
    const [fresh] = someEndpoints(3).slice(2);
    if (fresh === undefined) throw new Error("a third endpoint");
    pool.health.follow({ ...noChange, added: [fresh] }, false, pool.now());
    pool.inFlight.set([20, 10]);
    const takes = (inFlight: number) => {
      pool.inFlight[2] = inFlight;
      const candidates = [...pool.endpoints, fresh];
      return pool.health.wellOf(candidates, pool.inFlight, pool.now()).includes(fresh);
    };
    // 1 + 0.1 x 20
    expect([takes(2), takes(3)]).toEqual([true, false]);
    pool.pass(5_000);
    // 1 + 0.5 x 20
    expect([takes(10), takes(11)]).toEqual([true, false]);
    pool.pass(5_000);
    expect(takes(500)).toBe(true);
  });

  it("has its full share where all are new, at the pool's beginning", () => {
    const pool = poolOf(2, { slowStartMs: 10_000 });
    pool.inFlight.set([0, 50]);
    expect(pool.well()).toEqual([0, 1]);
  });

  it("starts slowly too when its engine has started anew, without its usual times", () => {
    const pool = poolOf(3, { slowStartMs: 10_000 });
    pool.everybody(150);
    pool.health.restarted(at(pool.endpoints, 1), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "slow-start" });
    for (let count = 0; count < 60; count += 1) pool.answer(1, "ok", 5_000);
    expect(pool.told()).toEqual([]);
  });

  it("comes back from its ejection when its engine has started anew, unless a check says otherwise", () => {
    const pool = poolOf(3, { slowStartMs: 10_000 });
    fall(pool, 1);
    pool.health.restarted(at(pool.endpoints, 1), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "slow-start" });
    expect(pool.told().map(([kind]) => kind)).toEqual(["ejected", "returned"]);
    pool.health.checked(at(pool.endpoints, 2), false, pool.now());
    pool.health.restarted(at(pool.endpoints, 2), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 2)).phase).toBe("ejected");
  });

  it("is nobody it was before: a slot's next endpoint begins well", () => {
    const pool = poolOf(3);
    for (let count = 0; count < 5; count += 1) pool.answer(1, "failed");
    const gone = at(pool.endpoints, 1);
    pool.health.follow({ ...noChange, removed: [gone] }, false, pool.now());
    pool.health.follow({ ...noChange, added: [gone] }, false, pool.now());
    expect(pool.well()).toEqual([0, 1, 2]);
  });
});

describe("health under any sequence of events", () => {
  const step = fc.record({
    slot: fc.integer({ min: 0, max: 3 }),
    outcome: fc.constantFrom("ok" as const, "failed" as const, "broken" as const),
    ttftMs: fc.integer({ min: 0, max: 100_000 }),
    ms: fc.integer({ min: 0, max: 20_000 }),
  });

  it("never leaves nobody, and never ejects more than the allowed share", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const pool = poolOf(4, { slowStartMs: 5_000 });
        for (const { slot, outcome, ttftMs, ms } of steps) {
          pool.pass(ms);
          pool.answer(slot, outcome, ttftMs);
          expect(pool.well().length).toBeGreaterThan(0);
          const phases = pool.endpoints.map((endpoint) => pool.health.stateOf(endpoint).phase);
          const away = phases.filter((phase) => phase === "ejected" || phase === "trial");
          expect(away.length).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 200 },
    );
  });
});
