import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { FakeLeaseServer } from "#test/support/fake-lease-server.ts";
import { seededRandom } from "../../std/random.ts";
import { LeaseElection } from "./lease-election.ts";

const namespace = "models";
const name = "epp-models-llama.llm-d.ai";

let clock: FakeClock;
let server: FakeLeaseServer;
let replicas: { readonly stop: AbortController; readonly ended: Promise<void> }[] = [];

beforeEach(() => {
  clock = new FakeClock();
  server = new FakeLeaseServer(clock);
  replicas = [];
});

afterEach(async () => {
  for (const replica of replicas) replica.stop.abort();
  await clock.advance(20_000);
  await Promise.all(replicas.map(({ ended }) => ended));
});

/** A replica in the election, identified by its letter. */
function started(identity: string) {
  const client = server.client();
  const told: boolean[] = [];
  const said: string[] = [];
  const log = {
    info: (_: object, message: string) => void said.push(message),
    warn: (fields: object, message: string) => void said.push(`${message}: ${reasonIn(fields)}`),
  };
  const onLeading = (isLeading: boolean) => void told.push(isLeading);
  const deps = { ...client, clock, random: seededRandom(1), log, onLeading };
  const election = new LeaseElection({ namespace, name, identity }, deps);
  const stop = new AbortController();
  const replica = { ...client, election, told, said, stop, ended: election.run(stop.signal) };
  replicas.push(replica);
  return replica;
}

function reasonIn(fields: object): string {
  return "reason" in fields ? String(fields.reason) : "";
}

/** Record that a peer writes into the Lease when it renews it. */
function peerLease(spec: object) {
  return {
    metadata: { name, namespace, labels: { app: "peer" } },
    spec: {
      holderIdentity: "peer_1",
      leaseDurationSeconds: 15,
      acquireTime: "2025-12-31T23:00:00.000000Z",
      renewTime: "2026-01-01T00:00:00.000000Z",
      leaseTransitions: 7,
      ...spec,
    },
  };
}

describe("an election", () => {
  it("creates the Lease with the record that client-go reads, and leads", async () => {
    const a = started("a");
    await clock.advance(10);
    expect(a.told).toEqual([true]);
    expect(server.lease).toMatchObject({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name, namespace },
      spec: {
        holderIdentity: "a",
        leaseDurationSeconds: 10,
        acquireTime: "2026-01-01T00:00:00.002000Z",
        renewTime: "2026-01-01T00:00:00.002000Z",
        leaseTransitions: 0,
      },
    });
  });

  it("renews every two seconds and keeps the time of its acquisition", async () => {
    started("a");
    await clock.advance(20_500);
    // The first at 0, and one after each pause of 2 s and a round trip of 2 ms.
    expect(server.writes).toBe(11);
    expect(server.spec).toMatchObject({
      acquireTime: "2026-01-01T00:00:00.002000Z",
      renewTime: "2026-01-01T00:00:20.022000Z",
    });
  });

  it("has one leader of three that start at the same time", async () => {
    const all = ["a", "b", "c"].map(started);
    await clock.advance(60_000);
    expect(all.filter(({ election }) => election.isLeading)).toHaveLength(1);
    expect(all.flatMap(({ told }) => told)).toEqual([true]);
    expect(server.spec["leaseTransitions"]).toBe(0);
  });

  it("hands over within a round trip when the leader resigns", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(5_300);
    a.election.resign();
    // One way for the release, one for the watch event, and there and back for the claim.
    await clock.advance(4);
    expect(b.told).toEqual([true]);
    expect(server.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
    await a.ended;
    await clock.advance(60_000);
    expect([a.election.isLeading, b.election.isLeading]).toEqual([false, true]);
    expect(server.holder).toBe("b");
  });

  it("writes a released Lease as client-go does", async () => {
    const a = started("a");
    await clock.advance(5_000);
    a.election.resign();
    await clock.advance(5);
    expect(server.spec).toEqual({
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: "2026-01-01T00:00:05.000000Z",
      renewTime: "2026-01-01T00:00:05.000000Z",
      leaseTransitions: 0,
    });
  });

  it("finds a release within two seconds if it may not watch", async () => {
    const a = started("a");
    const b = started("b");
    b.link.forbidden = new Set(["watch"]);
    await clock.advance(5_000);
    expect(b.said).toContain("watch not started: cannot watch leases");
    a.election.resign();
    await clock.advance(2_010);
    expect(b.told).toEqual([true]);
  });

  it("takes over from a stopped leader ten seconds after its last renewal", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(4_500);
    a.cut("silent");
    // The last renewal was sent at 4.004 s.
    await clock.advance(9_500);
    expect(b.told).toEqual([]);
    await clock.advance(20);
    expect(b.told).toEqual([true]);
    expect(a.election.isLeading).toBe(true);
  });

  it("leaves a Lease to its holder for as long as the holder's record is valid", async () => {
    server.put(peerLease({}));
    const a = started("a");
    await clock.advance(14_990);
    expect(a.told).toEqual([]);
    await clock.advance(20);
    expect(a.told).toEqual([true]);
    expect(server.lease).toMatchObject({
      metadata: { labels: { app: "peer" } },
      spec: { holderIdentity: "a", leaseDurationSeconds: 10, leaseTransitions: 8 },
    });
  });

  it.each(["2020-01-01T00:00:00.000000Z", "2036-01-01T00:00:00.000000Z"])(
    "ignores that the holder's clock says %s",
    async (renewTime) => {
      server.put(peerLease({ renewTime, leaseDurationSeconds: 8 }));
      const a = started("a");
      await clock.advance(7_990);
      expect(a.told).toEqual([]);
      await clock.advance(20);
      expect(a.told).toEqual([true]);
    },
  );

  it("waits while a peer renews", async () => {
    const a = started("a");
    server.put(peerLease({}));
    for (let second = 10; second < 60; second += 10) {
      await clock.advance(10_000);
      server.put(peerLease({ renewTime: `2026-01-01T00:00:${second}.000000Z` }));
    }
    expect(a.told).toEqual([]);
    expect(server.holder).toBe("peer_1");
    await clock.advance(5_000);
    server.put(peerLease({ holderIdentity: "" }));
    await clock.advance(3);
    expect(a.told).toEqual([true]);
  });

  it("keeps leading through an outage of any length, and is still the leader after it", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(4_000);
    for (const replica of [a, b]) replica.cut("refused");
    await clock.advance(600_000);
    expect(a.election.isLeading).toBe(true);
    expect(a.said.filter((line) => line.includes("lease renewal"))).toEqual([
      "lease renewal failed: connection refused",
    ]);
    expect(a.election.problem).toBe("connection refused");
    // The standby reaches the server first, and the leader only with its next try.
    b.link.state = "up";
    await clock.advance(2_000);
    a.link.state = "up";
    await clock.advance(60_000);
    expect([a.told, b.told]).toEqual([[true], []]);
    expect(a.election.problem).toBeUndefined();
    expect(server.spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 0 });
  });

  it("gives a leader a whole lease duration if it was out of contact itself", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(4_500);
    for (const replica of [a, b]) replica.cut("silent");
    await clock.advance(30_000);
    b.link.state = "up";
    // The pending request is given up after 3 s, the next one is sent at most 2 s later.
    await clock.advance(9_900);
    expect(b.told).toEqual([]);
    await clock.advance(5_200);
    expect(b.told).toEqual([true]);
  });

  it("steps down as soon as it sees that another replica leads", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(4_500);
    a.cut("silent");
    await clock.advance(20_000);
    expect([a.election.isLeading, b.election.isLeading]).toEqual([true, true]);
    a.link.state = "up";
    await clock.advance(5_100);
    expect([a.election.isLeading, b.election.isLeading]).toEqual([false, true]);
    expect(a.said).toContain("leader changed");
  });

  it("leads if the answer to its claim was lost", async () => {
    const a = started("a");
    a.link.losesAnswers = true;
    await clock.advance(3_000);
    a.link.losesAnswers = false;
    await clock.advance(2_500);
    expect(a.told).toEqual([true]);
    expect(server.spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 0 });
  });

  it("keeps leading if the answer to a renewal was lost", async () => {
    const a = started("a");
    const b = started("b");
    await clock.advance(4_500);
    a.link.losesAnswers = true;
    await clock.advance(2_000);
    a.link.losesAnswers = false;
    await clock.advance(30_000);
    expect([a.told, b.told]).toEqual([[true], []]);
    expect(a.election.problem).toBeUndefined();
  });

  it("renews a Lease that another client has labelled", async () => {
    const a = started("a");
    await clock.advance(1_000);
    server.put({
      ...server.lease,
      metadata: { ...server.lease?.metadata, labels: { by: "hand" } },
    });
    await clock.advance(4_000);
    expect(a.told).toEqual([true]);
    expect(a.election.problem).toBeUndefined();
    expect(server.lease).toMatchObject({
      metadata: { labels: { by: "hand" } },
      spec: { renewTime: "2026-01-01T00:00:04.010000Z" },
    });
  });

  it("creates a Lease again that another client has deleted", async () => {
    const a = started("a");
    await clock.advance(1_000);
    server.delete();
    await clock.advance(10);
    expect(server.holder).toBe("a");
    expect(a.told).toEqual([true]);
  });

  it("takes a Lease again that another client has emptied, and keeps leading meanwhile", async () => {
    const a = started("a");
    await clock.advance(1_000);
    server.put({ ...server.lease, spec: {} });
    await clock.advance(10);
    expect(server.holder).toBe("a");
    expect(a.told).toEqual([true]);
  });

  it("reports a missing right once, and leads when it is granted", async () => {
    const a = started("a");
    a.link.forbidden = new Set(["get", "watch"]);
    await clock.advance(60_000);
    expect(a.said).toEqual(["lease access failed: cannot get leases"]);
    expect(a.election.problem).toBe("cannot get leases");
    a.link.forbidden = new Set();
    await clock.advance(2_010);
    expect(a.said.slice(1)).toEqual(["leadership acquired", "lease access restored"]);
    expect(a.told).toEqual([true]);
  });

  it.each(["create", "replace"] as const)(
    "reports a missing right to %s once and continues",
    async (verb) => {
      if (verb === "replace") server.put(peerLease({ holderIdentity: "" }));
      const a = started("a");
      a.link.forbidden = new Set([verb]);
      await clock.advance(30_000);
      expect(a.said).toEqual([`lease access failed: cannot ${verb} leases`]);
      a.link.forbidden = new Set();
      await clock.advance(2_010);
      expect(a.told).toEqual([true]);
    },
  );

  it("waits for its namespace", async () => {
    server.hasNamespace = false;
    const a = started("a");
    await clock.advance(10_000);
    expect(a.election.problem).toBe("the namespace is not there");
    server.hasNamespace = true;
    await clock.advance(2_010);
    expect(a.told).toEqual([true]);
  });

  it("releases a Lease whose renewal was pending when it resigned", async () => {
    const a = started("a");
    a.link.latencyMs = 200;
    await clock.advance(2_500);
    expect(server.writes).toBe(1);
    a.election.resign();
    await clock.advance(2_000);
    await a.ended;
    expect(server.holder).toBe("");
  });

  it("releases a Lease whose claim it never saw answered", async () => {
    server.put(peerLease({ holderIdentity: "" }));
    const a = started("a");
    a.link.latencyMs = 200;
    await clock.advance(300);
    expect([server.holder, a.told]).toEqual(["a", []]);
    a.election.resign();
    await clock.advance(2_000);
    await a.ended;
    expect(server.holder).toBe("");
    expect(a.told).toEqual([]);
  });

  it("ends even if it cannot release", async () => {
    const a = started("a");
    await clock.advance(1_000);
    a.cut("silent");
    a.election.resign();
    await clock.advance(3_010);
    await a.ended;
    expect(a.said.slice(-1)).toEqual(["lease not released: no answer within 3 s"]);
  });

  it("writes nothing when a standby resigns", async () => {
    started("a");
    const b = started("b");
    await clock.advance(1_000);
    const { writes } = server;
    b.election.resign();
    await clock.advance(10);
    await b.ended;
    expect(server.writes).toBe(writes);
    expect(server.holder).toBe("a");
  });

  it("leaves no timer behind", async () => {
    const both = [started("a"), started("b")];
    await clock.advance(5_000);
    for (const { stop } of both) stop.abort();
    await clock.advance(10);
    await Promise.all(both.map(({ ended }) => ended));
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not start if it was stopped before", async () => {
    const { api } = server.client();
    const deps = {
      api,
      clock,
      random: seededRandom(1),
      log: { info: () => undefined, warn: () => undefined },
      onLeading: () => undefined,
    };
    await new LeaseElection({ namespace, name, identity: "a" }, deps).run(AbortSignal.abort());
    expect(server.lease).toBeUndefined();
  });
});
