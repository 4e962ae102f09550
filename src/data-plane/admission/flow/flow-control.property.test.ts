import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpoints } from "#test/support/builders.ts";
import { aFlowPlan, QueueRig, type Sent } from "#test/support/queue-rig.ts";
import { roundRobinFairness } from "../fairness/round-robin.ts";

type Step =
  | { readonly do: "send"; readonly priority: number; readonly flow: string }
  | { readonly do: "end" | "leave" | "empty" | "fill" | "reload" }
  | { readonly do: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      priority: fc.integer({ min: -2, max: 2 }),
      flow: fc.constantFrom("a", "b", "c"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("end" as const, "leave" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("empty" as const, "fill" as const, "reload" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      ms: fc.integer({ min: 1, max: 4_000 }),
    }),
  },
);

const plans = [
  aFlowPlan({ requestsMax: 12, bands: [{ priority: 1, requestsMax: 5 }] }),
  aFlowPlan({
    bands: [
      { ttlMs: 5_000, fairness: "round-robin" },
      { priority: -1, ordering: "edf" },
    ],
  }),
  aFlowPlan({ bytesMax: 900, noEndpointTtlMs: 8_000, bands: [{ ordering: "slo" }] }),
];

/** Runs steps on a queue whose pool takes three requests; calls `check` after each. */
async function run(steps: readonly Step[], check: (rig: QueueRig) => void): Promise<QueueRig> {
  const fairness = { "round-robin": roundRobinFairness.create({}, undefined as never) };
  const rig = new QueueRig({ plan: plans[0] ?? aFlowPlan(), fairness });
  rig.capacity = 3;
  const sent: Sent[] = [];
  for (const [index, each] of steps.entries()) {
    if (each.do === "send") {
      const { priority, flow } = each;
      sent.push(rig.send(`${index}`, { priority, flow }));
    } else if (each.do === "pass") await rig.clock.advance(each.ms);
    else if (each.do === "end" && rig.running > 0) await rig.end();
    else if (each.do === "leave") sent.findLast(({ outcome }) => outcome === "waits")?.leave();
    else if (each.do === "empty") await rig.setPool([]);
    else if (each.do === "fill") await rig.setPool(endpoints(2));
    else if (each.do === "reload") {
      rig.flow.configure(rig.rulesOf(plans[index % plans.length] ?? aFlowPlan()));
      await rig.clock.advance(0);
    }
    check(rig);
  }
  return rig;
}

describe("whatever happens", () => {
  it("each request has one end: arrivals are outcomes and those that wait", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const rig = await run(steps, (now) => {
          expect(now.outcomes.length + now.flow.size).toBe(now.arrivedCount);
          expect(now.flow.bands.reduce((sum, band) => sum + band.size, 0)).toBe(now.flow.size);
        });
        rig.flow.stop();
        expect(rig.outcomes).toHaveLength(rig.arrivedCount);
        expect(new Set(rig.outcomes.map(([name]) => name)).size).toBe(rig.arrivedCount);
        expect([rig.flow.size, rig.flow.heldBytes, rig.clock.pendingTimers]).toEqual([0, 0, 0]);
        expect(rig.failures).toEqual([]);
      }),
    );
  });

  it("no place is free while a request waits, and no request is sent beyond the places", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        await run(steps, (now) => {
          expect(now.running).toBeLessThanOrEqual(now.capacity);
          const isIdle = now.pool.length > 0 && now.running < now.capacity;
          expect(isIdle && now.flow.size > 0).toBe(false);
        });
      }),
    );
  });

  it("requests of one band and flow are sent in order of arrival", async () => {
    const oneFlow = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constant<Step>({ do: "send", priority: 0, flow: "a" }) },
        { weight: 2, arbitrary: fc.constant<Step>({ do: "end" }) },
        { weight: 1, arbitrary: fc.constant<Step>({ do: "reload" }) },
      ),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(oneFlow, async (steps) => {
        const rig = await run(steps, () => undefined);
        const order = rig.sent.map(Number);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
    );
  });

  it("every request is sent in time if fewer come than the pool can run", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 40 }),
        async (priorities) => {
          const rig = new QueueRig({ plan: aFlowPlan({ bands: [{ priority: 1 }] }) });
          rig.capacity = 2;
          // Each second two requests end and at most one comes.
          for (const [index, priority] of priorities.entries()) {
            rig.send(`${index}`, { priority });
            await rig.clock.advance(1_000);
            await rig.end(Math.min(rig.running, 2));
          }
          expect([rig.flow.size, rig.sent.length]).toEqual([0, priorities.length]);
        },
      ),
    );
  });
});
