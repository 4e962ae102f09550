import { describe, expect, it } from "vitest";
import { endpoints as someEndpoints } from "#test/support/builders.ts";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import { aSentRequest } from "#test/support/sent-requests.ts";
import { wellNow } from "#test/support/well-now.ts";
import { EndpointHealth } from "./endpoint-health.ts";
import type { HealthSettings } from "../../core/health-settings.ts";
import { defaultHealth } from "./phases.ts";

const noChange = { added: [], removed: [], updated: [], refused: [] };

/** A pool that has answered nothing yet. */
function coldPool(count: number, settings: Partial<HealthSettings> = {}) {
  const signs = scriptedSigns(count);
  const told: string[] = [];
  const health = new EndpointHealth({
    onEvent: ({ kind, endpoint, reason }) => void told.push(`${endpoint.slot} ${kind}: ${reason}`),
    signs,
  });
  health.settings = { ...defaultHealth, slowStartMs: 0, ...settings };
  const endpoints = someEndpoints(count);
  health.follow({ ...noChange, added: endpoints }, true, 0);
  let nowMs = 1_000;
  const send = (slot: number, client?: number) => {
    const [endpoint] = endpoints.slice(slot, slot + 1);
    const watched = endpoint && health.sent(endpoint, { ...aSentRequest, client }, nowMs);
    if (watched === undefined) throw new Error("an endpoint of the pool");
    return watched;
  };
  return {
    health,
    signs,
    told,
    send,
    refuse: (slot: number) => send(slot).unreached(nowMs),
    /** The endpoint turns a request away. */
    turnAway: (slot: number, retryAfterMs?: number, client?: number) => {
      const watched = send(slot, client);
      watched.busy(nowMs, retryAfterMs);
      watched.ended("complete", nowMs);
    },
    phaseOf: (slot: number) => endpoints.slice(slot).map((e) => health.stateOf(e).phase)[0],
    well: () =>
      wellNow(health, endpoints, { inFlight: new Float64Array(count), nowMs }).map((e) => e.slot),
    isCutOff: () => {
      health.tick(nowMs);
      return health.standing.isCutOff;
    },
    pass: (ms: number) => void (nowMs += ms),
    now: () => nowMs,
  };
}

describe("an endpoint whose connection failed", () => {
  it("gets no request before one tries it, and all again once something answers", () => {
    const { refuse, well, pass, send, now, phaseOf } = coldPool(3);
    refuse(1);
    expect([phaseOf(1), well()]).toEqual(["paused", [0, 2]]);
    pass(199);
    expect(well()).toEqual([0, 2]);
    pass(1);
    expect(well()).toEqual([0, 1, 2]);
    const tries = send(1);
    // One at a time: the next one 200 ms later, as an answer may take long.
    expect(well()).toEqual([0, 2]);
    tries.answered(now());
    expect([phaseOf(1), well()]).toEqual(["ready", [0, 1, 2]]);
  });

  it("is tried less and less often", () => {
    const { refuse, well, pass } = coldPool(2);
    refuse(1);
    // 200, 400, 800, 1600 and then 2000 ms.
    for (const ms of [200, 400, 800, 1_600, 2_000, 2_000]) {
      pass(ms - 1);
      expect(well()).toEqual([0]);
      pass(1);
      expect(well()).toEqual([0, 1]);
      refuse(1);
    }
  });

  it("is not paused for longer by requests that were sent before", () => {
    const { send, well, pass, now } = coldPool(2);
    const open = [send(1), send(1), send(1)];
    for (const watched of open) watched.unreached(now());
    pass(200);
    expect(well()).toEqual([0, 1]);
  });

  it("is tried on by requests sent later only: an earlier stream may go on while the port is closed", () => {
    const { send, phaseOf, now, pass } = coldPool(2);
    const stream = send(1);
    pass(10);
    send(1).unreached(now());
    stream.began(now());
    stream.ended("complete", now());
    expect(phaseOf(1)).toBe("paused");
  });

  it("is ejected as dead by the third in a row, without any answer of before", () => {
    const { refuse, send, told, well, now, pass, health } = coldPool(4);
    // Two of four die, so that half of the others fail too.
    for (const slot of [0, 1, 0, 1]) refuse(slot);
    pass(1);
    send(2).began(now());
    refuse(0);
    refuse(1);
    expect(told).toEqual(["0 ejected: refused", "1 ejected: refused"]);
    expect(well()).toEqual([2, 3]);
    expect(health.standing.codes.slice(0, 4)).toEqual(new Uint8Array([4, 4, 0, 0]));
  });

  it("is not ejected while nothing answers anywhere: the cause may be the proxy's", () => {
    const { refuse, told, well, isCutOff, pass } = coldPool(2);
    for (let round = 0; round < 5; round += 1) [0, 1].forEach(refuse);
    expect([told, well(), isCutOff()]).toEqual([[], [0, 1], true]);
    pass(200);
    expect(isCutOff()).toBe(false);
  });

  it("is paused by answers of an engine never, and not where failures in a row eject none", () => {
    const ill = coldPool(2);
    ill.send(1).failed(ill.now());
    expect(ill.phaseOf(1)).toBe("ready");
    const off = coldPool(2, { failuresInRowMax: 0 });
    off.refuse(1);
    expect(off.phaseOf(1)).toBe("ready");
  });

  it("is ejected at once if its metrics are refused too", () => {
    const { signs, refuse, told, health, now, pass } = coldPool(2);
    signs.contact(1, "answered");
    health.tick(now());
    pass(250);
    signs.contact(1, "refused");
    signs.contact(1, "refused");
    refuse(1);
    expect(told).toEqual(["1 ejected: refused"]);
  });
});

describe("an endpoint that turns requests away", () => {
  it("is paused by the third in a row, for the time that it asks for", () => {
    const { turnAway, well, pass, phaseOf, send, now, told } = coldPool(2);
    turnAway(1, 5_000);
    turnAway(1, 5_000);
    expect(phaseOf(1)).toBe("ready");
    turnAway(1, 5_000);
    expect([phaseOf(1), well()]).toEqual(["paused", [0]]);
    pass(4_999);
    expect(well()).toEqual([0]);
    pass(1);
    expect(well()).toEqual([0, 1]);
    turnAway(1, 5_000);
    pass(4_999);
    expect(well()).toEqual([0]);
    pass(1);
    send(1).answered(now());
    expect([phaseOf(1), well(), told]).toEqual(["ready", [0, 1], []]);
  });

  it.each([
    ["without a time", undefined, 200],
    ["with one of no length", 0, 200],
    ["with one of a day", 86_400_000, 30_000],
  ])("is tried again soon enough %s", (_, retryAfterMs, ms) => {
    const { turnAway, well, pass } = coldPool(2);
    for (let count = 0; count < 3; count += 1) turnAway(1, retryAfterMs);
    pass(ms - 1);
    expect(well()).toEqual([0]);
    pass(1);
    expect(well()).toEqual([0, 1]);
  });

  it("is not paused if it serves others in between", () => {
    const { turnAway, send, now, phaseOf } = coldPool(2);
    for (let count = 0; count < 6; count += 1) {
      turnAway(1);
      if (count % 2 === 1) send(1).ended("complete", now());
    }
    expect(phaseOf(1)).toBe("ready");
  });

  it("is not paused for one client among several, which may have used up a limit of its own", () => {
    const { turnAway, send, now, phaseOf } = coldPool(2);
    send(0, 7).ended("complete", now());
    for (let count = 0; count < 30; count += 1) turnAway(1, 1_000, 8);
    expect(phaseOf(1)).toBe("ready");
    turnAway(1, 1_000, 7);
    expect(phaseOf(1)).toBe("paused");
  });

  it("stays paused when its metrics are read, or an earlier stream goes on, and is never unreachable", () => {
    const { turnAway, send, signs, phaseOf, pass, health, now, isCutOff } = coldPool(1);
    const stream = send(0);
    pass(1);
    for (let count = 0; count < 3; count += 1) turnAway(0);
    signs.contact(0, "answered");
    pass(100);
    health.tick(now());
    stream.began(now());
    expect([phaseOf(0), isCutOff()]).toEqual(["paused", false]);
  });

  it("is no failure and no success", () => {
    const { turnAway, told, phaseOf } = coldPool(2, { failuresInRowMax: 0 });
    for (let count = 0; count < 30; count += 1) turnAway(1);
    expect([phaseOf(1), told]).toEqual(["ready", []]);
  });
});

describe("an endpoint whose streams break together", () => {
  it("is paused until its metrics are read again", () => {
    const { send, signs, phaseOf, now, health, pass, isCutOff } = coldPool(2);
    const open = [send(1), send(1), send(1)];
    for (const watched of open) watched.began(now());
    open[0]?.ended("broken", now());
    expect(phaseOf(1)).toBe("ready");
    open[1]?.ended("broken", now());
    expect(phaseOf(1)).toBe("paused");
    signs.contact(1, "answered");
    pass(250);
    health.tick(now());
    health.tick(now());
    expect([phaseOf(1), isCutOff()]).toEqual(["ready", false]);
  });
});
