import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpoints as someEndpoints } from "#test/support/builders.ts";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import { aSentRequest } from "#test/support/sent-requests.ts";
import { wellNow } from "#test/support/well-now.ts";
import type { HealthSettings } from "../../core/health-settings.ts";
import { settleMs } from "./breaks.ts";
import { EndpointHealth } from "./endpoint-health.ts";
import { defaultHealth, type HealthEvent } from "./phases.ts";
import type { SentRequest, WatchedEnd } from "./watched-request.ts";

const noChange = { added: [], removed: [], updated: [], refused: [] };

/** A pool of `count` endpoints from the start, whose engines report that they are idle. */
function poolOf(count: number, settings: Partial<HealthSettings> = {}) {
  const events: HealthEvent[] = [];
  const signs = scriptedSigns(count + 4);
  const health = new EndpointHealth({ onEvent: (event) => events.push(event), signs });
  health.settings = { ...defaultHealth, failuresInRowMax: 5, slowStartMs: 0, ...settings };
  const endpoints = someEndpoints(count);
  health.follow({ ...noChange, added: endpoints }, true, 0);
  const inFlight = new Float64Array(count + 4);
  let nowMs = 1_000;
  const well = () => wellNow(health, endpoints, { inFlight, nowMs }).map(({ slot }) => slot);
  const send = (slot: number, request: Partial<SentRequest> = {}) => {
    const watched = health.sent(at(endpoints, slot), { ...aSentRequest, ...request }, nowMs);
    if (watched === undefined) throw new Error("an endpoint of the pool");
    return watched;
  };
  /** One request with its answer, all at once. */
  const answer = (slot: number, end: WatchedEnd, client?: number) => {
    const watched = send(slot, { client });
    if (end === "complete") watched.began(nowMs);
    watched.ended(end, nowMs);
  };
  const everybody = (times: number) => {
    for (let round = 0; round < times; round += 1) {
      for (const { slot } of endpoints) answer(slot, "complete");
    }
  };
  /** One single request with this time to first token. */
  const timed = (slot: number, ttftMs: number, request: Partial<SentRequest> = {}) => {
    const watched = send(slot, request);
    nowMs += ttftMs;
    watched.began(nowMs);
    watched.ended("complete", nowMs);
  };
  const told = () =>
    events.map(({ kind, endpoint, reason, ms }) => [kind, endpoint.slot, reason, ms]);
  return {
    health,
    endpoints,
    inFlight,
    signs,
    events,
    well,
    send,
    answer,
    everybody,
    timed,
    told,
    pass: (ms: number) => (nowMs += ms),
    now: () => nowMs,
  };
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error("within the bounds");
  return value;
}

describe("an endpoint's health", () => {
  it("costs nothing while all are well: the candidates are the very same array", () => {
    const { health, endpoints, inFlight } = poolOf(3);
    expect(wellNow(health, endpoints, { inFlight, nowMs: 5 })).toBe(endpoints);
  });

  it("is lost by failures in a row, but not by as many with a good answer between them", () => {
    const { answer, well, told } = poolOf(4, { failureRatioMax: 0 });
    for (let count = 0; count < 4; count += 1) answer(1, "failed");
    answer(1, "complete");
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
      for (const outcome of ["failed", "complete", "complete", "complete", "complete"] as const)
        answer(2, outcome);
    }
    // 4 of the last 20, of 216 in all; at a rate of 1 % this happens by chance once in 100,000.
    expect(told()).toEqual([["ejected", 2, "failure-ratio", 10_000]]);
  });

  it("is kept if all fail alike: bad requests are not an endpoint's fault", () => {
    const { answer, well, told } = poolOf(4);
    for (let round = 0; round < 30; round += 1) {
      for (const slot of [0, 1, 2, 3]) answer(slot, "failed");
    }
    // The first to have five in a row was ejected before the others had failed as often.
    expect(told().length).toBeLessThanOrEqual(1);
    expect(well().length).toBeGreaterThanOrEqual(3);
  });

  it("is kept if one request fails wherever it is sent, and others succeed", () => {
    const { send, everybody, well, told, now, pass } = poolOf(4, { failuresInRowMax: 3 });
    everybody(1);
    for (let round = 0; round < 40; round += 1) {
      // The client tries one endpoint after another, twice each; others are served in between.
      const slot = Math.floor(round / 2) % 4;
      send(slot, { client: 7, kind: 70 }).ended("failed", now());
      const good = send((slot + 1) % 4, { client: round % 5, kind: round });
      good.began(now());
      good.ended("complete", now());
      pass(100);
    }
    expect(told()).toEqual([]);
    expect(well()).toHaveLength(4);
  });

  it("is kept if a request pinned to it fails a few times, without a result elsewhere", () => {
    const { send, told, now } = poolOf(4, { failuresInRowMax: 3 });
    const good = send(0, { client: 1, kind: 1 });
    good.began(now());
    good.ended("complete", now());
    for (let times = 0; times < 8; times += 1) {
      send(1, { client: 7, kind: 70 }).ended("failed", now());
    }
    expect(told()).toEqual([]);
  });

  it("is kept if all that one client sends fails at every endpoint, whatever it asks", () => {
    const { send, told, now, pass } = poolOf(4, { failuresInRowMax: 3 });
    for (let round = 0; round < 200; round += 1) {
      const slot = Math.floor(round / 10) % 4;
      send(slot, { client: 7, kind: 1_000 + round }).ended("failed", now());
      const good = send(slot, { client: round % 5, kind: round });
      good.began(now());
      good.ended("complete", now());
      pass(50);
    }
    expect(told()).toEqual([]);
  });

  it("is lost by failures of one request that others answer well", () => {
    const { send, told, now } = poolOf(4, { failuresInRowMax: 3 });
    const good = send(0, { client: 7, kind: 70 });
    good.began(now());
    good.ended("complete", now());
    for (let times = 0; times < 3; times += 1) {
      send(1, { client: 7, kind: 70 }).ended("failed", now());
    }
    expect(told()).toEqual([["ejected", 1, "failures", 10_000]]);
  });

  it("is not affected by requests that end after it left, and neither is the next one in its slot", () => {
    const { health, endpoints, send, well, told, now, pass } = poolOf(4, { failuresInRowMax: 3 });
    const left = at(endpoints, 1);
    const open = Array.from({ length: 24 }, (_, client) => send(1, { client, kind: client }));
    for (const watched of open.slice(12)) watched.began(now());
    health.follow({ ...noChange, removed: [left] }, false, now());
    health.follow({ ...noChange, added: [{ ...left, id: "default/new" }] }, false, now());
    for (const watched of open.slice(0, 12)) watched.ended("failed", now());
    for (const watched of open.slice(12)) watched.ended("broken", now());
    pass(20_000);
    expect(told()).toEqual([]);
    expect(well()).toHaveLength(4);
  });

  it("is lost by failures that came after good first tokens", () => {
    const { send, everybody, well, now } = poolOf(4, { failuresInRowMax: 3 });
    everybody(20);
    for (let count = 0; count < 5; count += 1) {
      const watched = send(1);
      watched.began(now());
      watched.ended("failed", now());
    }
    // Each is a good beginning and a failure: 4 of the last 20 at the fourth.
    expect(well()).toEqual([0, 2, 3]);
  });

  it("reports the numbers that it was lost by, its own and the others'", () => {
    const { answer, everybody, health, endpoints, events } = poolOf(4, { failureRatioMax: 0 });
    everybody(10);
    for (let count = 0; count < 5; count += 1) answer(1, "failed");
    const evidence = { failuresInRow: 5, failuresInRowMax: 5, othersFailureRatio: 0 };
    expect(events).toMatchObject([{ reason: "failures", evidence }]);
    expect(health.stateOf(at(endpoints, 1))).toEqual({
      phase: "ejected",
      reason: "failures",
      isDead: false,
      evidence,
    });
  });

  it("is lost by streams of many clients that break at once, a moment later", () => {
    const { send, answer, now, pass, well, told, health } = poolOf(3);
    answer(0, "complete");
    const open = Array.from({ length: 6 }, (_, client) => send(1, { client }));
    for (const watched of open) watched.began(now());
    for (const watched of open.slice(0, 4)) watched.ended("broken", now());
    pass(settleMs);
    health.tick(now());
    // 4 of 6 are not yet four fifths, 5 of 6 are.
    expect(told()).toEqual([]);
    open[4]?.ended("broken", now());
    pass(settleMs - 1);
    health.tick(now());
    expect(told()).toEqual([]);
    pass(1);
    expect(well()).toEqual([0, 2]);
    expect(told()).toEqual([["ejected", 1, "broken", 10_000]]);
  });

  it.each([
    ["endpoint by endpoint", (slot: number, client: number) => [slot, client]],
    ["client by client", (slot: number, client: number) => [client, slot]],
  ])("is kept if the streams of all break together, %s, as if the proxy died", (_, orderOf) => {
    const { send, now, pass, well, told } = poolOf(4);
    const open = [0, 1, 2, 3].flatMap((slot) =>
      [10, 11, 12, 13, 14].map((client) => {
        const watched = send(slot, { client });
        watched.began(now());
        return { watched, order: orderOf(slot, client) };
      }),
    );
    const ordered = open.toSorted(
      (a, b) => at(a.order, 0) - at(b.order, 0) || at(a.order, 1) - at(b.order, 1),
    );
    for (const { watched } of ordered) {
      watched.ended("broken", now());
      // 19 of them take less than the time until the first is judged.
      pass((settleMs - 1) / ordered.length);
    }
    for (let count = 0; count < 10; count += 1) {
      expect(well()).toHaveLength(4);
      pass(settleMs);
    }
    expect(told()).toEqual([]);
  });

  it("is judged at the time of its breaks, however late the next request comes", () => {
    const { send, now, pass, well, told } = poolOf(2);
    const open = Array.from({ length: 5 }, (_, client) => send(1, { client }));
    for (const watched of open) watched.ended("broken", now());
    // Requests sent there before the judgement do not count.
    for (let client = 0; client < 9; client += 1) send(1, { client });
    pass(5_000);
    well();
    expect(told()).toEqual([["ejected", 1, "broken", 10_000]]);
  });

  it("is kept however often one client's streams break, or clients leave before the head", () => {
    const { answer, pass, told } = poolOf(3);
    for (let round = 0; round < 50; round += 1) {
      for (let burst = 0; burst < 5; burst += 1) answer(1, "broken", 7);
      for (let client = 0; client < 9; client += 1) answer(1, "given-up", client);
      pass(20);
    }
    expect(told()).toEqual([]);
  });
});

/** A pool whose engines give short prompts a first token in 50 ms, and long ones in 300. */
const learned = () => {
  const pool = poolOf(4);
  for (let round = 0; round < 30; round += 1) {
    for (const { slot } of pool.endpoints) {
      pool.timed(slot, 50);
      pool.timed(slot, 300, { promptTokens: 2_000, tokensMin: 2_000, tokensMax: 2_000 });
    }
  }
  return pool;
};

/**
 * Three late answers and a request that waits; `wait` passes time, with usual answers of the
 * others.
 */
const lateAndWaiting = () => {
  const pool = learned();
  const { send, pass, now, well, timed } = pool;
  for (let count = 0; count < 3; count += 1) timed(3, 200, { client: count });
  const waiting = send(3, { client: 9 });
  const wait = () => {
    for (let round = 0; round < 16; round += 1) {
      const others = [0, 1, 2].map((slot) => send(slot, { client: round }));
      pass(50);
      for (const other of others) other.began(now());
      for (const other of others) other.ended("complete", now());
      well();
    }
  };
  return { ...pool, waiting, wait };
};

describe("an endpoint that takes longer to first tokens", () => {
  it("is ejected if both its own past and the others' times speak against it, with the numbers", () => {
    const { timed, told, events } = learned();
    for (let count = 0; count < 16; count += 1) timed(3, 200);
    expect(told()).toEqual([["ejected", 3, "slow", 10_000]]);
    expect(events[0]?.evidence).toMatchObject({
      ttftMs: 200,
      // Six late answers had raised it: 50 x 4 ^ (1 - 0.995 ^ 6).
      usualMs: 52.1,
      othersUsualMs: 50,
      workTokens: 100,
      // 200 / 52.8, which eight had raised.
      factor: 3.79,
      factorMax: 3,
      othersFactor: 1,
    });
  });

  it("is ejected after a few late answers in a row, one of which is still pending", () => {
    const { wait, told, events } = lateAndWaiting();
    expect(told()).toEqual([]);
    wait();
    expect(told()).toEqual([["ejected", 3, "slow", 10_000]]);
    expect(events[0]?.evidence).toMatchObject({ answers: 4, waiting: 1, othersLate: 0 });
  });

  it("is not judged by a request that was answered in another form than asked, or has failed", () => {
    const [first, second] = [lateAndWaiting(), lateAndWaiting()];
    // An unstreamed answer to a request for a stream may take as long as its length needs.
    first.waiting.answered(first.now(), false);
    first.wait();
    second.waiting.failed(second.now());
    second.wait();
    expect([...first.told(), ...second.told()]).toEqual([]);
  });

  it.each([
    ["its prompts are larger", { promptTokens: 2_000, tokensMin: 2_000, tokensMax: 2_000 }],
    ["its cached share of them is unknown", { tokensMin: 0, tokensMax: 2_000 }],
    ["they are not streamed", { isStreaming: false }],
  ])("is kept if %s", (_, request) => {
    const { timed, told } = learned();
    for (let count = 0; count < 40; count += 1) timed(3, 300, request);
    expect(told()).toEqual([]);
  });

  it("is kept if its engine has as many requests as ever ran there, or requests of other clients", () => {
    for (const report of [
      { runningRequests: 12, waitingRequests: 1 },
      { runningRequests: 3, waitingRequests: 0, foreignRequests: 3 },
      { runningRequests: 3, waitingRequests: 0, kvCacheUsedRatio: 0.97 },
    ]) {
      const { timed, told, signs } = learned();
      signs.say(3, report);
      for (let count = 0; count < 40; count += 1) timed(3, 300);
      expect(told()).toEqual([]);
    }
  });

  it("is kept if its engine does not report", () => {
    const { timed, told, signs } = learned();
    signs.say(3, undefined);
    for (let count = 0; count < 40; count += 1) timed(3, 300);
    expect(told()).toEqual([]);
  });

  it("is kept if it has to load adapters", () => {
    const { timed, told, signs } = learned();
    const adapters = { active: new Set(["b"]), waiting: new Set(["a"]), adaptersMax: 1 };
    signs.load(3, adapters);
    for (let count = 0; count < 40; count += 1) timed(3, 600, { model: "a" });
    expect(told()).toEqual([]);
  });

  it("is kept if one kind of work is slow and another is not", () => {
    const { timed, told } = learned();
    for (let count = 0; count < 40; count += 1) {
      timed(3, 200);
      if (count % 3 === 0) {
        timed(3, 300, { promptTokens: 2_000, tokensMin: 2_000, tokensMax: 2_000 });
      }
    }
    expect(told()).toEqual([]);
  });

  it("is kept if one client's requests are slow and those of others are not", () => {
    const { timed, told } = learned();
    for (let count = 0; count < 40; count += 1)
      timed(3, count % 4 === 0 ? 50 : 300, { client: count % 4 });
    const { timed: timedAlone, told: toldAlone } = learned();
    // It sends nothing elsewhere, and no other client sends here.
    for (let count = 0; count < 40; count += 1) {
      timedAlone(2, 50, { client: 9 });
      timedAlone(3, 300, { client: 1 });
    }
    expect([...told(), ...toldAlone()]).toEqual([]);
  });

  it("is kept if all become slow together, and if it has always been slow", () => {
    const pool = learned();
    for (let count = 0; count < 40; count += 1) {
      for (const { slot } of pool.endpoints) pool.timed(slot, 300);
    }
    // The first to be judged may have had its late answers before the others.
    expect(pool.told().length).toBeLessThanOrEqual(1);
    const slow = poolOf(3);
    for (let count = 0; count < 60; count += 1) {
      slow.timed(0, 50);
      slow.timed(1, 50);
      slow.timed(2, 400);
    }
    expect(slow.told()).toEqual([]);
  });

  it("learns from the engine's report at the end how much of a prompt it had cached", () => {
    const { send, pass, now, told } = learned();
    for (let count = 0; count < 40; count += 1) {
      const watched = send(3, { promptTokens: 2_000, tokensMin: 0, tokensMax: 2_000 });
      pass(300);
      watched.began(now());
      watched.ended("complete", now(), 1_900);
    }
    expect(told()).toEqual([["ejected", 3, "slow", 10_000]]);
  });

  it("returns only when its trial answers are as usual", () => {
    const { timed, pass, well, told } = learned();
    for (let count = 0; count < 16; count += 1) timed(3, 200);
    for (const ttftMs of [200, 50]) {
      pass(300_000);
      well();
      for (let count = 0; count < 3; count += 1) timed(3, ttftMs);
    }
    expect(told().map(([kind]) => kind)).toEqual(["ejected", "ejected", "returned"]);
  });
});

function fall(pool: ReturnType<typeof poolOf>, slot: number): void {
  for (let count = 0; count < 5; count += 1) pool.answer(slot, "failed");
}

describe("an ejected endpoint", () => {
  it("gets one request at a time after its ejection, and returns after three good answers", () => {
    const pool = poolOf(3);
    fall(pool, 1);
    pool.pass(9_999);
    expect(pool.well()).toEqual([0, 2]);
    pool.pass(1);
    expect(pool.well()).toEqual([0, 1, 2]);
    const trial = pool.send(1);
    expect(pool.well()).toEqual([0, 2]);
    trial.began(pool.now());
    expect(pool.well()).toEqual([0, 1, 2]);
    pool.answer(1, "complete");
    pool.answer(1, "complete");
    expect(pool.told()).toEqual([
      ["ejected", 1, "failures", 10_000],
      ["returned", 1, "failures", 10_000],
    ]);
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "ready" });
  });

  it("is ejected again for twice as long at a bad answer, up to the longest time", () => {
    const pool = poolOf(3, { ejectionMsMax: 35_000 });
    fall(pool, 1);
    for (const ms of [10_000, 20_000, 35_000]) {
      pool.pass(ms);
      pool.well();
      pool.answer(1, "failed");
    }
    expect(pool.told().map(([, , , ms]) => ms)).toEqual([10_000, 20_000, 35_000, 35_000]);
  });

  it("is ejected for twice as long soon after its return, and not long after", () => {
    const pool = poolOf(3);
    const fallAndReturn = () => {
      fall(pool, 1);
      pool.pass(300_000);
      pool.well();
      for (let count = 0; count < 3; count += 1) pool.answer(1, "complete");
    };
    fallAndReturn();
    fallAndReturn();
    pool.pass(600_000);
    fallAndReturn();
    const ejections = pool.told().filter(([kind]) => kind === "ejected");
    expect(ejections.map(([, , , ms]) => ms)).toEqual([10_000, 20_000, 10_000]);
  });

  it("is neither blamed nor cleared by a trial whose client leaves, or that takes long without streaming", () => {
    const pool = poolOf(3);
    fall(pool, 1);
    pool.pass(10_000);
    pool.well();
    pool.answer(1, "given-up");
    pool.answer(1, "broken");
    const trial = pool.send(1, { isStreaming: false });
    pool.signs.say(1, { runningRequests: 1 });
    for (let second = 0; second < 60; second += 1) {
      pool.pass(1_000);
      pool.answer(0, "complete");
      pool.well();
    }
    expect(pool.told()).toHaveLength(1);
    trial.ended("complete", pool.now());
    pool.answer(1, "complete");
    pool.answer(1, "complete");
    expect(pool.told()[1]).toEqual(["returned", 1, "failures", 70_000]);
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

  it("is a candidate if no other is", () => {
    const pool = poolOf(3);
    fall(pool, 1);
    const only = [at(pool.endpoints, 1)];
    const now = { inFlight: pool.inFlight, nowMs: pool.now() };
    expect(wellNow(pool.health, only, now)).toBe(only);
  });

  it("does not suffer from requests to an endpoint that had its slot before", () => {
    const { health, endpoints, everybody, told, now } = poolOf(4);
    everybody(1);
    const before = at(endpoints, 1);
    const after = {
      ...before,
      id: "default/after",
      address: "10.9.9.9",
      hostPort: "10.9.9.9:8000",
    };
    health.follow({ ...noChange, removed: [before] }, false, now());
    health.follow({ ...noChange, added: [after] }, false, now());
    for (let count = 0; count < 5; count += 1) {
      health.sent(before, aSentRequest, now())?.ended("failed", now());
    }
    expect(told()).toEqual([]);
    // Its labels alone do not make it another one.
    for (let count = 0; count < 5; count += 1) {
      health.sent({ ...after, labels: { a: "b" } }, aSentRequest, now())?.ended("failed", now());
    }
    expect(told()).toEqual([["ejected", 1, "failures", 10_000]]);
  });

  it("is ejected and returned by active checks too", () => {
    const pool = poolOf(3);
    pool.health.checked(at(pool.endpoints, 1), false, pool.now());
    expect(pool.well()).toEqual([0, 2]);
    pool.health.checked(at(pool.endpoints, 1), true, pool.now());
    const state = pool.health.stateOf(at(pool.endpoints, 1));
    expect(state).toMatchObject({ phase: "trial", reason: "check", isDead: false });
  });

  it("no longer depends on active checks once the configuration has none", () => {
    const pool = poolOf(4);
    for (const slot of [1, 2]) pool.health.checked(at(pool.endpoints, slot), false, pool.now());
    pool.health.checked(at(pool.endpoints, 3), true, pool.now());
    pool.health.forgetChecks();
    const phases = pool.endpoints.map((endpoint) => pool.health.stateOf(endpoint).phase);
    expect(phases).toEqual(["ready", "trial", "trial", "ready"]);
  });
});

/** Scrapes its metrics once more, or tries to. */
const read = (pool: ReturnType<typeof poolOf>, slot: number, how: "answered" | "refused") => {
  pool.signs.contact(slot, how);
  pool.pass(250);
  return pool.well();
};

/** Endpoint 1 falls silent, and others answer until all clients wait there; `elsewhere` more wait at endpoint 2. */
function hanging(elsewhere: number) {
  const pool = poolOf(3);
  for (let client = 0; client < 7; client += 1) pool.send(1, { client });
  pool.pass(500);
  pool.answer(0, "complete");
  pool.answer(2, "complete");
  for (let client = 10; client < 10 + elsewhere; client += 1) pool.send(2, { client });
  pool.pass(500);
  pool.send(1, { client: 7 });
  for (let second = 0; second < 14; second += 1) {
    // The last request came later than the last answer elsewhere.
    pool.signs.say(1, { runningRequests: 8, kvCacheUsedRatio: 0.1 });
    pool.signs.say(2, { runningRequests: elsewhere, kvCacheUsedRatio: 0.1 + second / 100 });
    pool.health.tick(pool.now());
    pool.pass(1_000);
  }
  return pool.told().map(([kind, slot, reason]) => [kind, slot, reason]);
}

describe("an endpoint that hangs", () => {
  it("is ejected if all clients wait there, so that no other endpoint is asked any more", () => {
    expect(hanging(0)).toEqual([["ejected", 1, "stalled"]]);
  });

  it("is kept if requests wait elsewhere too: the cause may be this side", () => {
    expect(hanging(1)).toEqual([]);
  });
});

describe("an endpoint that is dead", () => {
  it("is ejected at its first bad answer if it refuses scrapes", () => {
    const pool = poolOf(4);
    read(pool, 1, "answered");
    read(pool, 1, "refused");
    read(pool, 1, "refused");
    expect(pool.told()).toEqual([]);
    pool.answer(1, "failed");
    expect(pool.told()).toEqual([["ejected", 1, "refused", 10_000]]);
    expect(pool.events[0]?.evidence).toMatchObject({ refusedInRow: 2, badAnswersInRow: 1 });
  });

  it("is kept if it refuses scrapes but serves, or was never scraped", () => {
    const pool = poolOf(4);
    read(pool, 1, "answered");
    for (let count = 0; count < 5; count += 1) read(pool, 1, "refused");
    pool.answer(1, "complete");
    pool.answer(1, "failed");
    for (let count = 0; count < 5; count += 1) read(pool, 2, "refused");
    pool.answer(2, "failed");
    pool.answer(2, "broken");
    expect(pool.told()).toEqual([]);
  });

  it("is left out whatever the share of the dead while any other lives", () => {
    const pool = poolOf(4);
    for (const slot of [0, 1, 2, 3]) read(pool, slot, "answered");
    for (const slot of [1, 2, 3]) {
      read(pool, slot, "refused");
      read(pool, slot, "refused");
      pool.answer(slot, "failed");
    }
    for (let round = 0; round < 200; round += 1) {
      pool.answer(0, "complete");
      expect(read(pool, 1, "refused")).toEqual([0]);
      for (const slot of [2, 3]) pool.signs.contact(slot, "refused");
    }
    // 50 s without a request for them; each was ejected once.
    expect(pool.told()).toHaveLength(3);
  });

  it("is tried when it can be scraped again, and at the longest interval while it cannot", () => {
    const pool = poolOf(3, { ejectionMsMax: 100_000 });
    read(pool, 1, "answered");
    read(pool, 1, "refused");
    read(pool, 1, "refused");
    pool.answer(1, "failed");
    for (let count = 0; count < 300; count += 1) expect(read(pool, 1, "refused")).toEqual([0, 2]);
    expect(read(pool, 1, "answered")).toEqual([0, 1, 2]);
    for (let count = 0; count < 3; count += 1) pool.answer(1, "complete");
    expect(pool.told().at(-1)?.slice(0, 3)).toEqual(["returned", 1, "refused"]);
    const deaf = poolOf(3, { ejectionMsMax: 100_000 });
    read(deaf, 1, "answered");
    read(deaf, 1, "refused");
    read(deaf, 1, "refused");
    deaf.answer(1, "failed");
    deaf.pass(100_000);
    expect(read(deaf, 1, "refused")).toEqual([0, 1, 2]);
  });

  it("comes after those only in doubt if none is well, and all are tried if all are dead", () => {
    const pool = poolOf(3, { slowStartMs: 10_000 });
    for (const slot of [0, 1]) pool.health.checked(at(pool.endpoints, slot), false, pool.now());
    expect(pool.well()).toEqual([2]);
    pool.health.restarted(at(pool.endpoints, 2), pool.now());
    // More than its share of a slow start, and still better than the dead.
    pool.inFlight.set([0, 0, 50]);
    expect(pool.well()).toEqual([2]);
    pool.health.checked(at(pool.endpoints, 2), false, pool.now());
    expect(pool.well()).toEqual([0, 1, 2]);
  });

  it("shows by its first answer to a request of last resort that it lives", () => {
    const pool = poolOf(2, { failuresInRowMax: 3 });
    for (const slot of [0, 1]) read(pool, slot, "answered");
    for (const slot of [0, 1]) {
      read(pool, slot, "refused");
      read(pool, slot, "refused");
      pool.answer(slot, "failed");
    }
    expect(pool.well()).toEqual([0, 1]);
    pool.answer(1, "complete");
    expect(pool.health.stateOf(at(pool.endpoints, 1)).phase).toBe("trial");
    // It gets all of them, although it is on trial.
    pool.send(1);
    expect(pool.well()).toEqual([1]);
  });

  it("is detected by many failures in a row of several clients while another answers well", () => {
    const pool = poolOf(4, { failuresInRowMax: 3 });
    for (let count = 0; count < 10; count += 1) pool.answer(0, "complete", count);
    // All three fail from one moment on: the others' failures excuse none of them.
    for (let count = 0; count < 9; count += 1) {
      for (const slot of [1, 2, 3]) pool.answer(slot, "failed", count);
    }
    pool.answer(0, "complete");
    expect(pool.well()).toEqual([0]);
  });

  it("is not tried while an active check fails, and is when the check passes", () => {
    const pool = poolOf(4);
    for (const slot of [1, 2, 3]) pool.health.checked(at(pool.endpoints, slot), false, pool.now());
    for (let minute = 0; minute < 30; minute += 1) {
      expect(pool.well()).toEqual([0]);
      pool.pass(60_000);
    }
    pool.health.checked(at(pool.endpoints, 2), true, pool.now());
    expect(pool.well()).toEqual([0, 2]);
  });
});

describe("an endpoint that is new", () => {
  it("gets a growing share of the busiest one's load, and the whole of it at the end", () => {
    const pool = poolOf(2, { slowStartMs: 10_000 });
    const [fresh] = someEndpoints(3).slice(2);
    if (fresh === undefined) throw new Error("a third endpoint");
    pool.health.follow({ ...noChange, added: [fresh] }, false, pool.now());
    pool.inFlight.set([20, 10]);
    const takes = (inFlight: number) => {
      pool.inFlight[2] = inFlight;
      const candidates = [...pool.endpoints, fresh];
      const now = { inFlight: pool.inFlight, nowMs: pool.now() };
      return wellNow(pool.health, candidates, now).includes(fresh);
    };
    // 1 + 0.1 x 20
    expect([takes(2), takes(3)]).toEqual([true, false]);
    pool.pass(5_000);
    // 1 + 0.5 x 20
    expect([takes(10), takes(11)]).toEqual([true, false]);
    pool.pass(5_000);
    expect(takes(500)).toBe(true);
  });

  it("has its full share if all are new, when the pool starts", () => {
    const pool = poolOf(2, { slowStartMs: 10_000 });
    pool.inFlight.set([0, 50]);
    expect(pool.well()).toEqual([0, 1]);
  });

  it("starts slowly too when its engine has restarted, without its usual times", () => {
    const pool = poolOf(3, { slowStartMs: 10_000 });
    for (let count = 0; count < 40; count += 1) {
      for (const { slot } of pool.endpoints) pool.timed(slot, 50);
    }
    pool.health.restarted(at(pool.endpoints, 1), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "slow-start" });
    for (let count = 0; count < 60; count += 1) pool.timed(1, 400);
    expect(pool.told()).toEqual([]);
  });

  it("returns from its ejection when its engine has restarted, unless a check still fails", () => {
    const pool = poolOf(3, { slowStartMs: 10_000 });
    fall(pool, 1);
    pool.health.restarted(at(pool.endpoints, 1), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 1))).toEqual({ phase: "slow-start" });
    expect(pool.told().map(([kind]) => kind)).toEqual(["ejected", "returned"]);
    pool.health.checked(at(pool.endpoints, 2), false, pool.now());
    pool.health.restarted(at(pool.endpoints, 2), pool.now());
    expect(pool.health.stateOf(at(pool.endpoints, 2)).phase).toBe("ejected");
  });

  it("has no history of the previous one: a slot's next endpoint starts well", () => {
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
    end: fc.constantFrom<WatchedEnd>("complete", "failed", "broken", "given-up"),
    isStreaming: fc.boolean(),
    isKept: fc.boolean(),
    hasFirstToken: fc.boolean(),
    client: fc.integer({ min: 0, max: 5 }),
    tokensMax: fc.integer({ min: 0, max: 50_000 }),
    contact: fc.constantFrom("answered" as const, "refused" as const, "silent" as const),
    check: fc.constantFrom(undefined, undefined, undefined, true, false),
    running: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    ms: fc.integer({ min: 0, max: 20_000 }),
  });

  it("always has an endpoint to offer, gives the dead nothing while any other lives, and loses no request", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const pool = poolOf(4, { slowStartMs: 5_000 });
        const kept: ReturnType<typeof pool.send>[] = [];
        for (const { slot, end, contact, check, running, ms, ...request } of steps) {
          pool.pass(ms);
          pool.signs.contact(slot, contact);
          pool.signs.say(slot, running === undefined ? undefined : { runningRequests: running });
          if (check !== undefined) {
            pool.health.checked(at(pool.endpoints, slot), check, pool.now());
          }
          const watched = pool.send(slot, request);
          if (request.hasFirstToken) watched.began(pool.now());
          if (request.isKept) kept.push(watched);
          else watched.ended(end, pool.now());
          expect(pool.well().length).toBeGreaterThan(0);
          const states = pool.endpoints.map((endpoint) => pool.health.stateOf(endpoint));
          const living = states.filter(({ isDead }) => isDead !== true);
          const slots = pool.well().filter((taker) => states[taker]?.isDead !== true);
          // The dead get requests only if there is no other.
          expect(slots).toEqual(living.length > 0 ? pool.well() : []);
        }
        for (const watched of kept) watched.ended("given-up", pool.now());
        pool.pass(400_000);
        // An endpoint whose port refuses connections is ejected only now, if nothing has looked since.
        pool.well();
        pool.pass(400_000);
        // Open trials are over: every endpoint without a failing check may be tried again.
        for (const endpoint of pool.endpoints) pool.health.checked(endpoint, true, pool.now());
        expect(pool.well()).toHaveLength(4);
      }),
      { numRuns: 200 },
    );
  });

  it("ejects half of the living at most, if none is dead", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const pool = poolOf(4, { slowStartMs: 5_000, failuresInRowMax: 0 });
        for (const { slot, end, client, ms } of steps) {
          pool.pass(ms);
          pool.answer(slot, end, client);
          pool.well();
          const phases = pool.endpoints.map((endpoint) => pool.health.stateOf(endpoint).phase);
          const away = phases.filter((phase) => phase === "ejected" || phase === "trial");
          expect(away.length).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("blames none if every request succeeds, whatever the work, also if clients leave", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const pool = poolOf(4);
        for (const { slot, end, ms, ...request } of steps) {
          const watched = pool.send(slot, request);
          if (request.hasFirstToken) watched.began(pool.now());
          watched.ended(end === "failed" ? "complete" : end, pool.now());
          pool.pass(100 + ms);
          pool.well();
        }
        expect(pool.told()).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
