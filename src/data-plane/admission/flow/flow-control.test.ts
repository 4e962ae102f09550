import { buildPlugin } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { utilizationDetector } from "../detectors/utilization.ts";
import { describe, expect, it } from "vitest";
import { endpoints } from "#test/support/builders.ts";
import { aFlowPlan, QueueRig, type Sent } from "#test/support/queue-rig.ts";
import { roundRobinFairness } from "../fairness/round-robin.ts";

const roundRobin = roundRobinFairness.create({}, undefined as never);
const codeOf = ({ outcome }: Sent) => (typeof outcome === "string" ? outcome : outcome.code);

/** A rig whose pool is full. */
function full(parts: ConstructorParameters<typeof QueueRig>[0] = {}): QueueRig {
  const rig = new QueueRig(parts);
  rig.send("running");
  return rig;
}

describe("a request", () => {
  it("passes at once while the pool has room, and waits while it has none", async () => {
    const rig = new QueueRig();
    const [first, second] = [rig.send("first"), rig.send("second")];
    expect([codeOf(first), codeOf(second), rig.flow.size]).toEqual(["sent", "waits", 1]);
    await rig.clock.advance(300);
    await rig.end();
    expect([codeOf(second), rig.flow.size]).toEqual(["sent", 0]);
    expect(second.stay).toEqual({
      band: 0,
      fairnessId: "default-flow",
      position: 0,
      waitedMs: 300,
      sentMeanwhile: 0,
      heldBy: { kind: "saturation", saturation: 1, ceiling: 1 },
      outcome: "Dispatched",
    });
    expect(rig.clock.pendingTimers).toBe(0);
  });

  it("is sent as soon as another one ends, without a tick", async () => {
    const rig = full();
    rig.send("a");
    await rig.end();
    expect([rig.clock.nowMs(), rig.sent]).toEqual([0, ["running", "a"]]);
  });

  it("does not pass those that wait", async () => {
    const rig = full();
    rig.send("a");
    rig.running = 0;
    rig.capacity = 2;
    rig.send("b");
    expect(rig.sent).toEqual(["running", "a", "b"]);
  });

  it("counts before the gate is read again, so that a burst does not overshoot", async () => {
    const rig = full();
    for (let index = 0; index < 10; index += 1) rig.send(String(index));
    rig.capacity = 4;
    await rig.end();
    expect([rig.running, rig.flow.size]).toEqual([4, 6]);
  });

  it("is out at once when its client leaves, and gives its place back", async () => {
    const rig = full({ plan: aFlowPlan({ requestsMax: 1 }) });
    const a = rig.send("a");
    expect(codeOf(rig.send("b"))).toBe("saturated");
    a.leave();
    expect([rig.flow.size, rig.flow.heldBytes, rig.clock.pendingTimers]).toEqual([0, 0, 0]);
    expect(codeOf(rig.send("c"))).toBe("waits");
    expect(rig.outcomes).toContainEqual(["a", "EvictedContextCancelled"]);
  });

  it("goes back to its place if no endpoint can take it, and is sent once one can", async () => {
    const rig = full();
    let isPlaced = false;
    const a = rig.send("a", { isPlaced: () => isPlaced });
    rig.send("b");
    await rig.end();
    expect([codeOf(a), rig.sent]).toEqual(["waits", ["running", "b"]]);
    isPlaced = true;
    await rig.end();
    // The pool has not changed, so it is tried again after a second.
    await rig.clock.advance(1_000);
    expect(rig.sent).toEqual(["running", "b", "a"]);
  });

  it("waits if the gate was open but no endpoint could take it; others still pass", async () => {
    const rig = new QueueRig();
    rig.capacity = 9;
    let isPlaced = false;
    const a = rig.send("a", { isPlaced: () => isPlaced });
    const b = rig.send("b");
    expect([codeOf(a), codeOf(b)]).toEqual(["waits", "sent"]);
    isPlaced = true;
    await rig.setPool(endpoints(3));
    expect(codeOf(a)).toBe("sent");
    expect(a.stay?.heldBy).toEqual({ kind: "no-suitable-endpoint" });
    expect(rig.outcomes).toEqual([
      ["b", "Dispatched"],
      ["a", "Dispatched"],
    ]);
  });
});

describe("bands", () => {
  it("are served strictly by priority, each in order of arrival", async () => {
    const rig = full({ plan: aFlowPlan({ bands: [{ priority: 100 }, { priority: -10 }] }) });
    for (const priority of [-10, 0, 100, 0, 100]) rig.send(`${priority}`, { priority });
    rig.capacity = 9;
    await rig.end();
    expect(rig.sent.slice(1)).toEqual(["100", "100", "0", "0", "-10"]);
  });

  it("exist for objectives before their first request, and on demand for other priorities", () => {
    let priorities: readonly number[] = [];
    const rig = full({ priorities: () => priorities });
    priorities = [5, -5];
    rig.send("a", { priority: 7 });
    expect(rig.flow.bands.map(({ priority }) => priority)).toEqual([7, 5, 0, -5]);
  });

  it("are at most 64 besides those of the configuration: further priorities join the next band below", () => {
    const rig = full();
    for (let priority = 1; priority <= 70; priority += 1) rig.send(`${priority}`, { priority });
    expect(rig.flow.bands).toHaveLength(65);
    expect(rig.flow.bands[0]).toMatchObject({ priority: 64, size: 7 });
    rig.send("low", { priority: -3 });
    expect(rig.flow.bands.at(-1)).toMatchObject({ priority: 0, size: 1 });
  });
});

describe("flows", () => {
  it("take turns with round robin, whatever a loud one sends", async () => {
    const rig = full({
      plan: aFlowPlan({ bands: [{ priority: 0, fairness: "round-robin" }] }),
      fairness: { "round-robin": roundRobin },
    });
    for (const flow of ["loud", "loud", "loud", "quiet", "calm"]) rig.send(flow, { flow });
    rig.capacity = 9;
    await rig.end();
    expect(rig.sent.slice(1)).toEqual(["calm", "loud", "quiet", "loud", "loud"]);
  });

  it("do not matter to the strict policy", async () => {
    const rig = full();
    for (const flow of ["b", "a", "b"]) rig.send(flow, { flow });
    rig.capacity = 9;
    await rig.end();
    expect(rig.sent.slice(1)).toEqual(["b", "a", "b"]);
  });
});

describe("limits", () => {
  it.each([
    [{ requestsMax: 2 }, "2 requests wait, the limit (flowControl.maxRequests)"],
    [
      { bands: [{ requestsMax: 2 }] },
      "2 requests of priority 0 wait, the limit (maxRequests of the band)",
    ],
    // A request holds 100 bytes of body and 12 of text.
    [{ bytesMax: 230 }, "requests that wait hold 230 bytes, the limit (flowControl.maxBytes)"],
    [
      { bands: [{ bytesMax: 230 }] },
      "requests of priority 0 that wait hold 230 bytes, the limit (maxBytes of the band)",
    ],
  ])("%j refuse with 429 and are named", (parts, message) => {
    const rig = full({ plan: aFlowPlan(parts) });
    const [, , third] = [rig.send("a"), rig.send("b"), rig.send("c")];
    expect(third?.outcome).toEqual({ code: "saturated", message, retryAfterSeconds: 1 });
    expect(rig.outcomes.at(-1)).toEqual(["c", "RejectedCapacity"]);
  });

  it("over all bands make room for a more important request", () => {
    const rig = full({ plan: aFlowPlan({ requestsMax: 2, bands: [{ priority: 9 }] }) });
    const [a, b] = [rig.send("a"), rig.send("b")];
    const important = rig.send("c", { priority: 9 });
    expect([a, b, important].map(codeOf)).toEqual(["waits", "saturated", "waits"]);
    expect(b.outcome).toMatchObject({ message: /a request that has precedence took its place/ });
    expect(codeOf(rig.send("d"))).toBe("saturated");
  });

  it("of a band take the place from the loudest flow", () => {
    const rig = full({
      plan: aFlowPlan({ bands: [{ fairness: "round-robin", requestsMax: 3 }] }),
      fairness: { "round-robin": roundRobin },
    });
    const loud = [1, 2, 3].map((each) => rig.send(`loud ${each}`, { flow: "loud" }));
    const quiet = rig.send("quiet", { flow: "quiet" });
    expect([...loud, quiet].map(codeOf)).toEqual(["waits", "waits", "saturated", "waits"]);
    // One more would leave the quiet flow with more than the loud one.
    expect(codeOf(rig.send("quiet 2", { flow: "quiet" }))).toBe("saturated");
  });

  it("of a band prefer a request with an earlier deadline", () => {
    const rig = full({ plan: aFlowPlan({ bands: [{ ordering: "edf", requestsMax: 1 }] }) });
    const late = rig.send("late");
    const soon = rig.send("soon", { headers: { "ttl-ms": "5000" } });
    expect([late, soon].map(codeOf)).toEqual(["saturated", "waits"]);
  });

  it("tell when to retry by the rate at which requests leave", async () => {
    const rig = full({ plan: aFlowPlan({ requestsMax: 1 }) });
    for (let index = 0; index < 5; index += 1) {
      rig.send(String(index));
      await rig.clock.advance(3_000);
      await rig.end();
    }
    rig.send("waits");
    expect(rig.send("late").outcome).toMatchObject({ retryAfterSeconds: 3 });
    await rig.clock.advance(50_000);
    expect(rig.send("later").outcome).toMatchObject({ retryAfterSeconds: 30 });
  });
});

describe("time to wait", () => {
  it("ends with 429 while the pool has endpoints", async () => {
    const rig = full();
    const a = rig.send("a");
    await rig.clock.advance(59_990);
    expect(codeOf(a)).toBe("waits");
    await rig.clock.advance(50);
    expect(a.outcome).toMatchObject({ code: "wait_expired", retryAfterSeconds: 30 });
    expect([a.stay?.outcome, rig.clock.pendingTimers]).toEqual(["EvictedTTL", 0]);
  });

  it.each([
    { case: "the band's, in place of the general one", bandMs: 500, askedMs: "", ms: 500 },
    { case: "the request's, if it is shorter", bandMs: 60_000, askedMs: "700", ms: 700 },
    { case: "the band's, if that is shorter", bandMs: 500, askedMs: "700", ms: 500 },
    {
      case: "the request's, if the band has none",
      bandMs: Number.POSITIVE_INFINITY,
      askedMs: "700",
      ms: 700,
    },
  ])("is $case", async ({ bandMs, askedMs, ms }) => {
    const rig = full({ plan: aFlowPlan({ bands: [{ ttlMs: bandMs }] }) });
    const headers: Record<string, string> = askedMs === "" ? {} : { "ttl-ms": askedMs };
    const a = rig.send("a", { headers });
    await rig.clock.advance(ms - 1);
    expect(codeOf(a)).toBe("waits");
    await rig.clock.advance(51);
    expect(codeOf(a)).toBe("wait_expired");
  });

  it("has no end without bounds", async () => {
    const never = Number.POSITIVE_INFINITY;
    const rig = new QueueRig({ plan: aFlowPlan({ noEndpointTtlMs: never }) });
    rig.pool = [];
    const a = rig.send("a");
    await rig.clock.advance(600_000);
    expect(codeOf(a)).toBe("waits");
    await rig.setPool(endpoints(1));
    expect(codeOf(a)).toBe("sent");
  });
});

describe("a pool that is empty", () => {
  it("holds requests until endpoints come, and loses none", async () => {
    const rig = new QueueRig();
    rig.pool = [];
    rig.capacity = 100;
    const held = Array.from({ length: 50 }, (_, index) => rig.send(String(index)));
    await rig.clock.advance(20_000);
    await rig.setPool(endpoints(1));
    await rig.clock.advance(0);
    expect(new Set(held.map(codeOf))).toEqual(new Set(["sent"]));
    expect(held[0]?.stay?.heldBy).toEqual({ kind: "no-endpoints" });
  });

  it("refuses with 503 what its limits leave no place for", () => {
    const rig = new QueueRig({ plan: aFlowPlan({ requestsMax: 1 }) });
    rig.pool = [];
    rig.send("a");
    expect(codeOf(rig.send("b"))).toBe("no_endpoints");
    expect(rig.outcomes).toEqual([["b", "RejectedNoEndpoints"]]);
  });
});

describe("a reload", () => {
  it("keeps the place of those that wait", async () => {
    const rig = full();
    for (const name of ["a", "b", "c"]) rig.send(name);
    rig.flow.configure(rig.rulesOf(aFlowPlan({ bands: [{ ordering: "edf" }] })));
    rig.capacity = 9;
    await rig.end();
    expect(rig.sent.slice(1)).toEqual(["a", "b", "c"]);
  });

  it("answers those that no longer fit, the last ones first", () => {
    const rig = full({ plan: aFlowPlan({ bands: [{ priority: 5 }] }) });
    const held = [rig.send("a"), rig.send("b"), rig.send("c", { priority: 5 })];
    rig.flow.configure(rig.rulesOf(aFlowPlan({ requestsMax: 2, bands: [{ priority: 5 }] })));
    expect(held.map(codeOf)).toEqual(["waits", "saturated", "waits"]);
  });

  it("puts a shorter time to wait in force for those that wait", async () => {
    const rig = full();
    const a = rig.send("a");
    rig.flow.configure(rig.rulesOf(aFlowPlan({ bands: [{ ttlMs: 1_000 }] })));
    await rig.clock.advance(1_050);
    expect(codeOf(a)).toBe("wait_expired");
  });

  it("sends all that wait if flow control is turned off, those without an endpoint once there is one", async () => {
    const rig = full();
    let isPlaced = false;
    const held = [rig.send("a"), rig.send("b", { isPlaced: () => isPlaced })];
    rig.flow.release();
    expect(held.map(codeOf)).toEqual(["sent", "waits"]);
    isPlaced = true;
    await rig.end(2);
    expect(held.map(codeOf)).toEqual(["sent", "sent"]);
    expect(rig.clock.pendingTimers).toBe(0);
  });
});

describe("a drain", () => {
  it("serves those that wait, lets others pass, and lets no further one wait", async () => {
    const rig = full();
    const held = rig.send("a");
    rig.flow.drain();
    expect(codeOf(rig.send("b"))).toBe("shutting_down");
    await rig.end();
    expect(codeOf(held)).toBe("sent");
    await rig.end();
    expect(codeOf(rig.send("c"))).toBe("sent");
  });

  it("refuses what is left when it ends, and leaves no timer", () => {
    const rig = full();
    const held = [rig.send("a"), rig.send("b")];
    rig.flow.stop();
    expect(held.map(codeOf)).toEqual(["shutting_down", "shutting_down"]);
    // Another replica takes them at once: the rate of this queue does not count.
    expect(held[0]?.outcome).not.toHaveProperty("retryAfterSeconds");
    expect([rig.flow.size, rig.flow.heldBytes, rig.clock.pendingTimers]).toEqual([0, 0, 0]);
  });
});

it("survives a policy that throws: it reports it and tries again", async () => {
  let isBroken = true;
  const fairness = {
    pickerOf: () => ({
      pick: ([first]: readonly unknown[]) => {
        if (isBroken) throw new Error("a policy broke");
        return first as never;
      },
    }),
  };
  const rig = full({
    plan: aFlowPlan({ bands: [{ fairness: "own" }] }),
    fairness: { own: fairness },
  });
  const a = rig.send("a");
  await rig.end();
  expect([rig.failures.length > 0, codeOf(a)]).toEqual([true, "waits"]);
  isBroken = false;
  await rig.clock.advance(50);
  expect(codeOf(a)).toBe("sent");
});

describe("a queue whose engines die", () => {
  it("sends those first that reached no endpoint, whatever waits and whatever the limits are", async () => {
    const rig = new QueueRig({ plan: aFlowPlan({ bands: [{ priority: 0, requestsMax: 2 }] }) });
    for (const name of ["runs", "first", "second"]) rig.send(name);
    const returned = rig.send("returned", { isReturned: true });
    expect(returned.outcome).toBe("waits");
    for (let count = 0; count < 4; count += 1) await rig.end();
    expect(rig.sent).toEqual(["runs", "returned", "first", "second"]);
    // While the gate is open, it need not wait for its turn.
    rig.capacity = 1;
    rig.running = 0;
    expect(rig.send("again", { isReturned: true }).outcome).toBe("sent");
  });

  it("holds requests while connections to all endpoints fail, for as long as in an empty pool", async () => {
    const plan = aFlowPlan({ noEndpointTtlMs: 5_000, bands: [{ priority: 0, ttlMs: 1_000 }] });
    const rig = new QueueRig({ plan });
    rig.isCutOff = true;
    const [served, late] = [rig.send("served"), rig.send("late")];
    await rig.clock.advance(4_000);
    expect([served.outcome, late.outcome]).toEqual(["waits", "waits"]);
    rig.isCutOff = false;
    await rig.clock.advance(25);
    expect(served.stay?.heldBy).toEqual({ kind: "no-endpoints" });
    expect([served.outcome, late.outcome]).toEqual(["sent", "waits"]);
    rig.isCutOff = true;
    await rig.clock.advance(5_100);
    expect(late.outcome).toMatchObject({ code: "no_endpoints" });
  });

  it("never waits for signals that are missing or overdue", async () => {
    const deps = pluginDeps({});
    const { detector } = buildPlugin(utilizationDetector, {}, deps);
    const rig = new QueueRig(detector === undefined ? {} : { detector });
    expect(rig.send("a").outcome).toBe("sent");
    // No endpoint of the rig has a report.
    expect(rig.flow.stale).toEqual({ detector: deps.name, endpoints: 2 });
    await rig.clock.advance(60_000);
    expect(rig.send("b").outcome).toBe("sent");
  });
});
