import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aFlowPlan, QueueRig } from "#test/support/queue-rig.ts";
import type { OrderingPolicy, QueuedRequest } from "../../../core/flow-control.ts";
import { Lineup, totalOrderOf } from "../flow/lineup.ts";
import { boundedResponseRatioOrdering, responseRatioOrdering } from "./response-ratio.ts";

const policy: OrderingPolicy = responseRatioOrdering.create({}, pluginDeps({}));

type Waiter = QueuedRequest & { place: number };

function waiter(sequence: number, enqueuedMs: number, ownMs: number): Waiter {
  return {
    request: aRequest({ promptTokens: 600 }),
    fairnessId: "",
    receivedMs: enqueuedMs,
    enqueuedMs,
    ttlMs: Number.POSITIVE_INFINITY,
    ownMs,
    sequence,
    place: -1,
  };
}

function lineupOf(waiters: readonly Waiter[], by = policy): Lineup<Waiter> {
  const lineup = new Lineup<Waiter>(totalOrderOf(by));
  for (const each of waiters) lineup.add(each);
  return lineup;
}

/** The order in which all are taken out at one time. */
function taken(lineup: Lineup<Waiter>, nowMs: number): Waiter[] {
  const order: Waiter[] = [];
  for (let next = lineup.first(nowMs); next !== undefined; next = lineup.first(nowMs)) {
    order.push(next);
    lineup.remove(next);
  }
  return order;
}

const keyAt = ({ ownMs, enqueuedMs }: Waiter, nowMs: number) =>
  ownMs / (1 + (nowMs - enqueuedMs) / 1_000);

describe("response-ratio-ordering-policy", () => {
  it("serves a short request before a long one that came with it, and after one that waited", () => {
    const [long, short] = [waiter(0, 0, 2_000), waiter(1, 9_000, 250)];
    // At 9 s, the keys are 2,000 / 10 = 200 and 250 / 1 = 250; at 12 s, 2,000 / 13 = 154 and 250 / 4 = 63.
    expect(lineupOf([long, short]).first(9_000)).toBe(long);
    expect(lineupOf([long, short]).first(12_000)).toBe(short);
    expect(lineupOf([waiter(0, 0, 2_000), short]).last(12_000)?.ownMs).toBe(2_000);
  });

  it("takes tokens for a request whose work is unknown: 600 tokens as 100 ms", () => {
    const unknown = waiter(0, 0, Number.NaN);
    expect(lineupOf([waiter(1, 0, 50), unknown, waiter(2, 0, 200)]).first(0)?.ownMs).toBe(50);
    expect(lineupOf([unknown, waiter(2, 0, 200)]).first(0)).toBe(unknown);
  });

  it("is right to within the width of a class, and by arrival within one, at any time", () => {
    const arrivals = fc.array(fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: 100_000 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(arrivals, fc.nat(60_000), (given, laterMs) => {
        const inOrder = given.toSorted(([a], [b]) => a - b);
        const waiters = inOrder.map(([atMs, ownMs], index) => waiter(index, atMs, ownMs));
        const nowMs = 20_000 + laterMs;
        const order = taken(lineupOf(waiters), nowMs);
        expect(order).toHaveLength(waiters.length);
        let lowest = Number.POSITIVE_INFINITY;
        for (const each of order.toReversed()) {
          const key = keyAt(each, nowMs);
          // Eight classes for each doubling.
          expect(key).toBeLessThanOrEqual(lowest * 2 ** (1 / 8) + 1e-9);
          lowest = Math.min(lowest, key);
        }
      }),
    );
  });

  it("lets no request starve: after a wait of n seconds, none that is n times shorter goes first", () => {
    const long = waiter(0, 0, 60_000);
    const nowMs = 700_000;
    // 60,000 / 701 = 85.6, and requests of 100 ms that come now have the key 100.
    const lineup = lineupOf([
      long,
      ...Array.from({ length: 50 }, (_, i) => waiter(i + 1, nowMs, 100)),
    ]);
    expect(lineup.first(nowMs)).toBe(long);
  });

  it("chooses among classes, not among requests: 10,000 that wait are in at most 8 x 22", () => {
    const classes = new Set<number | undefined>();
    for (let index = 0; index < 10_000; index += 1) {
      classes.add(policy.changing?.classOf(waiter(index, 0, 1.002 ** index)));
    }
    expect(classes.size).toBeLessThanOrEqual(8 * 22 + 1);
  });
});

const bounded = (passesMax: number) =>
  boundedResponseRatioOrdering.create({ passesMax }, pluginDeps({}));

/** Adds a request of each number, and sends the first one at each undefined; returns the numbers sent, in order. */
function sentOf(steps: readonly (number | undefined)[], by: OrderingPolicy): readonly number[] {
  const lineup = lineupOf([], by);
  const sent: number[] = [];
  for (const [index, ownMs] of steps.entries()) {
    if (ownMs !== undefined) lineup.add(waiter(index, index * 10, ownMs));
    const first = ownMs === undefined ? lineup.first(index * 10) : undefined;
    if (first === undefined) continue;
    lineup.sent(first);
    lineup.remove(first);
    sent.push(first.sequence);
  }
  return sent;
}

describe("bounded-response-ratio-ordering-policy", () => {
  const work = fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined });
  const stepsOf = fc.array(work, { maxLength: 200 });

  it("sends no more than passesMax later requests before any request", () => {
    fc.assert(
      fc.property(stepsOf, fc.integer({ min: 1, max: 8 }), (given, passesMax) => {
        // All that are left are sent at the end.
        const sent = sentOf([...given, ...given.map(() => undefined)], bounded(passesMax));
        expect(sent).toHaveLength(given.filter((ownMs) => ownMs !== undefined).length);
        const passes = sent.map((own, at) => sent.slice(0, at).filter((each) => each > own).length);
        expect(Math.max(0, ...passes)).toBeLessThanOrEqual(passesMax);
      }),
    );
  });

  it("is the order without a bound as long as the bound is not reached", () => {
    fc.assert(
      fc.property(stepsOf, (given) => {
        expect(sentOf(given, bounded(1_000))).toEqual(sentOf(given, policy));
      }),
    );
  });

  it("counts the requests that the queue sends", async () => {
    const rig = new QueueRig({ plan: aFlowPlan({ bands: [{ ordering: "bounded" }] }) });
    rig.send("running");
    rig.send("long", { promptTokens: 600_000 });
    for (const name of ["a", "b", "c"]) rig.send(name, { promptTokens: 6 });
    for (let count = 0; count < 4; count += 1) await rig.end();
    // The bound of the rig is 2.
    expect(rig.sent).toEqual(["running", "a", "b", "long", "c"]);
  });
});
