import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aFlowPlan, QueueRig } from "#test/support/queue-rig.ts";
import type { UsageLimitPolicy } from "../../../core/flow-control.ts";

interface Step {
  readonly priority: number;
  readonly promptTokens: number;
}

const priorities = [2, 1, 0, -1];
const tokensMax = 1_000;

interface RigParts {
  readonly shares: Readonly<Record<number, number>>;
  readonly usageLimit?: UsageLimitPolicy;
}

/** A queue of these bands over a pool that takes one request at a time, which one of the highest priority occupies. */
function aRig({ shares, usageLimit }: RigParts): QueueRig {
  const bands = priorities.map((priority) => ({
    priority,
    guaranteedShare: shares[priority] ?? 0,
  }));
  const rig = new QueueRig({
    plan: aFlowPlan({ bands }),
    ...(usageLimit && { usageLimit }),
  });
  rig.send("first", { priority: 2 });
  return rig;
}

/** Sends requests and lets as many of them be served; returns their steps in the order in which they were sent on. */
async function served(rig: QueueRig, steps: readonly Step[], count: number): Promise<Step[]> {
  for (const [index, step] of steps.entries()) rig.send(`${index}`, step);
  for (let each = 0; each < count; each += 1) await rig.end();
  return rig.sent
    .slice(1, 1 + count)
    .map((name) => steps[Number(name)] ?? { priority: 0, promptTokens: 0 });
}

function tokensOf(steps: readonly Step[], priority?: number): number {
  return steps
    .filter((step) => priority === undefined || step.priority === priority)
    .reduce((sum, { promptTokens }) => sum + promptTokens, 0);
}

const many = (priority: number, promptTokens = 100) =>
  Array.from({ length: 40 }, () => ({ priority, promptTokens }));

describe("the guaranteed share of a band", () => {
  it("is none by default: higher bands go first", async () => {
    const order = await served(aRig({ shares: {} }), [...many(-1), ...many(1)], 40);
    expect(new Set(order.map(({ priority }) => priority))).toEqual(new Set([1]));
  });

  it("gives a low band its part of the prompt tokens", async () => {
    const rig = aRig({ shares: { [-1]: 0.25 } });
    const order = await served(rig, [...many(-1), ...many(1)], 40);
    expect(order.filter(({ priority }) => priority === -1)).toHaveLength(10);
    // One in four, not ten at once.
    expect(order.slice(0, 8).filter(({ priority }) => priority === -1)).toHaveLength(2);
  });

  it("counts tokens: one long prompt is as much as ten short ones", async () => {
    const rig = aRig({ shares: { [-1]: 0.5 } });
    const order = await served(rig, [...many(-1, 1_000), ...many(1, 100)], 33);
    expect(tokensOf(order, -1) / tokensOf(order)).toBeCloseTo(0.5, 1);
    expect(order.filter(({ priority }) => priority === -1)).toHaveLength(3);
  });

  it("saves nothing up while the band is empty", async () => {
    const rig = aRig({ shares: { [-1]: 0.5 } });
    await served(rig, many(1), 40);
    const names = new Map<string, number>();
    for (const [index, { priority }] of [...many(-1), ...many(1)].entries()) {
      names.set(`later-${index}`, priority);
      rig.send(`later-${index}`, { priority, promptTokens: 100 });
    }
    for (let count = 0; count < 20; count += 1) await rig.end();
    const later = rig.sent.flatMap((name) => names.get(name) ?? []);
    expect(later.filter((priority) => priority === -1)).toHaveLength(10);
  });

  it("counts below a ceiling of the band too, while a higher band may send", async () => {
    const holdsLow: UsageLimitPolicy = {
      limit: (_, all, ceilings) => {
        for (const [index, priority] of all.entries()) if (priority < 0) ceilings[index] = 0;
      },
    };
    const rig = aRig({ shares: { [-1]: 0.25 }, usageLimit: holdsLow });
    const order = await served(rig, [...many(-1), ...many(1)], 40);
    expect(order.filter(({ priority }) => priority === -1)).toHaveLength(10);
  });

  it("leaves the turn to others if no endpoint can take a request of the band", async () => {
    const rig = aRig({ shares: { [-1]: 0.9 } });
    for (let index = 0; index < 100; index += 1) {
      rig.send(`low-${index}`, { priority: -1, isPlaced: () => false });
    }
    const order = await served(rig, many(1), 40);
    expect(order).toHaveLength(40);
  });

  it("is at least kept, but for one request of each such band, whatever waits", async () => {
    const step = fc.record({
      priority: fc.constantFrom(...priorities),
      promptTokens: fc.integer({ min: 1, max: tokensMax }),
    });
    const share = fc.constantFrom(0, 0.05, 0.2, 0.3);
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(share, share, share),
        fc.array(step, { minLength: 100, maxLength: 200 }),
        async ([one, zero, low], steps) => {
          const shares = { 1: one, 0: zero, [-1]: low };
          const rig = aRig({ shares });
          const order = await served(rig, steps, 60);
          const kept = Object.values(shares).filter((each) => each > 0).length;
          for (const [priority, ofBand] of Object.entries(shares)) {
            const waits = rig.flow.bands.find((band) => band.priority === Number(priority));
            // A band that was empty is owed nothing for that time.
            if (waits === undefined || waits.size === 0) continue;
            const least = ofBand * tokensOf(order) - Math.max(1, kept) * tokensMax;
            expect(tokensOf(order, Number(priority))).toBeGreaterThanOrEqual(least);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("changes no order within a band", async () => {
    const step = fc.record({
      priority: fc.constantFrom(...priorities),
      promptTokens: fc.integer({ min: 1, max: tokensMax }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const rig = aRig({ shares: { 0: 0.4, [-1]: 0.4 } });
        await served(rig, steps, steps.length);
        const order = rig.sent.slice(1).map(Number);
        for (const priority of priorities) {
          const own = order.filter((index) => steps[index]?.priority === priority);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
        expect(order).toHaveLength(steps.length);
      }),
      { numRuns: 50 },
    );
  });
});
