import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { FakeLeaseServer } from "#test/support/fake-lease-server.ts";
import { seededRandom } from "../../std/random.ts";
import { LeaseElection } from "./lease-election.ts";

const names = ["a", "b", "c"];
/**
 * Largest one-way latency of a replica in contact. The round trip stays below the 3 s that the
 * election waits for an answer.
 */
const contactLatencyMsMax = 1_000;
/**
 * Longest time for which two replicas may lead while both are in contact: a request that hangs (3
 * s), the pause after it (2 s), a refused renewal and a read, of 2 s each at the slowest.
 */
const overlapMsMax = 9_000;
/** A lease of 10 s begins with the first answer after a hanging request, its pause and 2 s of latency. */
const leaderlessMsMax = 10_000 + 3_000 + 2_000 + 4_000;
const tickMs = 250;

/** Faults of the replicas, one at a time. */
const event = fc.record({
  afterMs: fc.integer({ min: 1, max: 15_000 }),
  replica: fc.integer({ min: 0, max: names.length - 1 }),
  what: fc.oneof(
    fc.constantFrom(
      "refused",
      "silent",
      "up",
      "loses answers",
      "resigns",
      "dies",
      "server down",
      "server up",
      "lease deleted",
      "lease emptied",
    ),
    fc.record({ latencyMs: fc.constantFrom(1, 50, 900, 1_400, 4_000) }),
  ),
});

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

class World {
  readonly clock = new FakeClock();
  readonly server = new FakeLeaseServer(this.clock);
  readonly replicas = names.map((identity, index) => {
    const client = this.server.client();
    const log = { info: () => undefined, warn: () => undefined };
    const random = seededRandom(index);
    const deps = { ...client, clock: this.clock, random, log, onLeading: () => undefined };
    const election = new LeaseElection({ namespace: "n", name: "l", identity }, deps);
    const stop = new AbortController();
    const ended = election.run(stop.signal);
    return { ...client, election, stop, ended, isAlive: true, inContactSinceMs: 0 };
  });
  #isServerUp = true;
  #overlapMs = 0;
  longestOverlapMs = 0;

  /**
   * Runs the events; then, with all replicas in contact, waits until a leader must have been found.
   */
  async run(events: readonly Event[]): Promise<void> {
    for (const { afterMs, replica, what } of events) {
      await this.#pass(afterMs);
      this.#befall(replica, what);
    }
    this.#serverUp();
    for (const [index, { isAlive }] of this.replicas.entries()) {
      if (isAlive) this.#befall(index, "up");
    }
    await this.#pass(leaderlessMsMax);
  }

  /** Live replicas that act as leader. */
  leaders(): string[] {
    const leads = (index: number) => {
      const replica = this.replicas[index];
      return replica?.isAlive === true && replica.election.isLeading;
    };
    return names.filter((_, index) => leads(index));
  }

  async end(): Promise<void> {
    for (const { stop } of this.replicas) stop.abort();
    await this.clock.advance(30_000);
    await Promise.all(this.replicas.map(({ ended }) => ended));
  }

  async #pass(durationMs: number): Promise<void> {
    const untilMs = this.clock.nowMs() + durationMs;
    while (this.clock.nowMs() < untilMs) {
      await this.clock.advance(Math.min(tickMs, untilMs - this.clock.nowMs()));
      this.#look();
    }
  }

  /** Records for how long two replicas in contact have led. */
  #look(): void {
    const nowMs = this.clock.nowMs();
    const leading = this.replicas.filter(({ election, link, isAlive }) => {
      const isInContact =
        link.state === "up" && !link.losesAnswers && link.latencyMs <= contactLatencyMsMax;
      return isAlive && election.isLeading && isInContact;
    });
    const contactMs = leading
      .map(({ inContactSinceMs }) => nowMs - inContactSinceMs)
      .toSorted((a, b) => b - a);
    this.#overlapMs = leading.length > 1 ? this.#overlapMs + tickMs : 0;
    const overlapMs = Math.min(this.#overlapMs, contactMs[1] ?? 0);
    this.longestOverlapMs = Math.max(this.longestOverlapMs, overlapMs);
  }

  #serverUp(): void {
    this.#isServerUp = true;
    for (const each of this.replicas.filter(({ isAlive }) => isAlive)) {
      each.link.state = "up";
      each.inContactSinceMs = this.clock.nowMs();
    }
  }

  #befall(index: number, what: Event["what"]): void {
    const { replicas, server, clock } = this;
    const replica = replicas[index];
    if (replica === undefined || !replica.isAlive) return;
    const { link, election } = replica;
    // A remaining replica can lead again; without one there is nothing to observe.
    const isLast = replicas.filter(({ isAlive }) => isAlive).length === 1;
    replica.inContactSinceMs = clock.nowMs();
    if (typeof what === "object") {
      link.latencyMs = what.latencyMs;
      return;
    }
    switch (what) {
      case "refused":
      case "silent":
        replica.cut(what);
        break;
      case "up":
        Object.assign(link, { latencyMs: 1, losesAnswers: false });
        if (this.#isServerUp) link.state = "up";
        break;
      case "loses answers":
        link.losesAnswers = true;
        break;
      case "resigns":
        if (isLast) break;
        election.resign();
        replica.isAlive = false;
        break;
      case "dies":
        if (isLast) break;
        replica.cut("silent");
        replica.isAlive = false;
        break;
      case "server down":
        this.#isServerUp = false;
        for (const each of replicas) each.cut("refused");
        break;
      case "server up":
        this.#serverUp();
        break;
      case "lease deleted":
        server.delete();
        break;
      case "lease emptied":
        if (server.lease !== undefined) server.put({ ...server.lease, spec: {} });
        break;
    }
  }
}

describe("an election among faults", () => {
  it("never has two leaders in contact for long, and always has one again in time", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
        const world = new World();
        try {
          await world.run(events);
          expect(world.longestOverlapMs).toBeLessThanOrEqual(overlapMsMax);
          const leaders = world.leaders();
          expect(leaders).toHaveLength(1);
          expect(world.server.holder).toBe(leaders[0]);
          // No replica takes it from a healthy leader.
          await world.clock.advance(60_000);
          expect(world.leaders()).toEqual(leaders);
        } finally {
          await world.end();
        }
      }),
      { numRuns: 120 },
    );
  });

  it("never changes its leader if only the server fails", async () => {
    const outage = fc.record({
      upMs: fc.integer({ min: 6_000, max: 20_000 }),
      downMs: fc.integer({ min: 1, max: 120_000 }),
      state: fc.constantFrom("refused" as const, "silent" as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(outage, { minLength: 1, maxLength: 4 }), async (outages) => {
        const world = new World();
        try {
          await world.clock.advance(1_000);
          const leaders = world.leaders();
          expect(leaders).toHaveLength(1);
          for (const { upMs, downMs, state } of outages) {
            await world.clock.advance(upMs);
            for (const replica of world.replicas) replica.cut(state);
            await world.clock.advance(downMs);
            for (const { link } of world.replicas) link.state = "up";
          }
          await world.clock.advance(30_000);
          expect(world.leaders()).toEqual(leaders);
          expect(world.server.spec["leaseTransitions"]).toBe(0);
        } finally {
          await world.end();
        }
      }),
      { numRuns: 50 },
    );
  });
});
