import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RolloutSettings } from "../../core/rollout-settings.ts";
import { type Random, seededRandom } from "../../std/random.ts";
import { type ArmSample, Rollout } from "./rollout.ts";

const settings: RolloutSettings = {
  steps: [0.1, 0.5],
  stickBy: "conversation",
  stepMs: 10_000,
  stepRequests: 100,
  stepMsMax: 3_600_000,
  ttftRiseMax: 0.15,
  tpotRiseMax: 0.15,
  errorRiseMax: 0.005,
  confidence: 0.95,
};

/** A rollout, and what it has told. */
function aRollout(parts: Partial<RolloutSettings> = {}) {
  const told: { event: string; detail: unknown }[] = [];
  const rollout = new Rollout(
    { ...settings, ...parts },
    {
      stepped: (share) => told.push({ event: "stepped", detail: share }),
      promoted: () => told.push({ event: "promoted", detail: undefined }),
      rolledBack: (reasons) => told.push({ event: "rolledBack", detail: reasons }),
    },
    0,
  );
  return { rollout, told };
}

/** A standard normal number (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

interface Traffic {
  /** Factor of the shadow document's times. */
  readonly factor?: number;
  readonly errors?: { readonly inForce: number; readonly shadow: number };
  readonly requests?: number;
  readonly seed: number;
}

/**
 * Streams of 100 ms in the median and a standard deviation of 1 in their logarithms, 50 a second. The load changes slowly, and
 * all times with it.
 */
function run(rollout: Rollout, traffic: Traffic): void {
  const { factor = 1, errors = { inForce: 0.01, shadow: 0.01 }, requests = 40_000, seed } = traffic;
  const random = seededRandom(seed);
  let load = 0;
  for (let count = 0; count < requests && rollout.state === "comparing"; count += 1) {
    load = 0.999 * load + 0.05 * normal(random);
    const place = random();
    const arm = place < rollout.share ? "shadow" : "inForce";
    const ms = 100 * Math.exp(load + normal(random)) * (arm === "shadow" ? factor : 1);
    const nowMs = count * 20;
    const sample: ArmSample = {
      arm,
      conversation: place,
      isError: random() < errors[arm],
      times: { ttft: ms, answer: Number.NaN, tpot: 20 * Math.exp(0.2 * normal(random)) },
      startedMs: nowMs,
    };
    rollout.ended(sample, nowMs);
  }
}

describe("Rollout", () => {
  it("says which part of its time beyond the shortest a step has used", () => {
    const { rollout } = aRollout({ stepMs: 10_000, stepMsMax: 30_000 });
    expect([0, 10_000, 15_000, 30_000, 99_000].map((ms) => rollout.overdueRatio(ms))).toEqual([
      0, 0, 0.25, 1, 1,
    ]);
    rollout.restartStep(15_000);
    expect(rollout.overdueRatio(15_000)).toBe(0);
    const { rollout: fixed } = aRollout({ stepMs: 10_000, stepMsMax: 10_000 });
    expect([10_000, 10_001].map((ms) => fixed.overdueRatio(ms))).toEqual([0, 1]);
  });

  it("promotes a document that is as good, step by step", () => {
    const { rollout, told } = aRollout();
    run(rollout, { seed: 1 });
    expect(told).toEqual([
      { event: "stepped", detail: 0.5 },
      { event: "promoted", detail: undefined },
    ]);
    expect([rollout.state, rollout.share]).toEqual(["promoted", 1]);
  });

  it("rolls one back whose first tokens take half as long again", () => {
    const { rollout } = aRollout();
    run(rollout, { seed: 2, factor: 1.5 });
    expect([rollout.state, rollout.share]).toEqual(["rolledBack", 0]);
    expect(rollout.reasons.join("\n")).toMatch(/^time to first token: \+\d+/u);
  });

  it("rolls one back that fails one request in ten, after few of its requests", () => {
    const { rollout } = aRollout();
    run(rollout, { seed: 3, errors: { inForce: 0.002, shadow: 0.1 } });
    expect(rollout.state).toBe("rolledBack");
    expect(rollout.reasons.join("\n")).toMatch(/^errors: /u);
    expect(rollout.comparison.errors.requests.shadow).toBeLessThan(150);
  });

  it("does not promote one that is worse by more than is tolerated, in 50 runs", () => {
    const states = Array.from({ length: 50 }, (_, seed) => {
      const { rollout } = aRollout();
      run(rollout, { seed: 100 + seed, factor: 1.25, requests: 20_000 });
      return rollout.state;
    });
    expect(states.filter((state) => state === "promoted").length).toBeLessThanOrEqual(1);
  });

  it("rolls a document that is as good back in at most the share of runs that is allowed", () => {
    const states = Array.from({ length: 100 }, (_, seed) => {
      const { rollout } = aRollout();
      run(rollout, { seed: 1_000 + seed, requests: 8_000 });
      return rollout.state;
    });
    // 5 % of 100, although it looks after each request.
    expect(states.filter((state) => state === "rolledBack").length).toBeLessThanOrEqual(5);
  });

  it("counts the errors of a conversation once", () => {
    const { rollout } = aRollout();
    for (let count = 0; count < 500; count += 1) {
      const isShadow = count % 10 === 0;
      const place = isShadow ? 0.05 : 0.2 + count / 1_000;
      const times = { ttft: 100, answer: Number.NaN, tpot: Number.NaN };
      const arm = isShadow ? "shadow" : "inForce";
      rollout.ended(
        { arm, conversation: place, isError: isShadow, times, startedMs: count },
        count,
      );
    }
    expect(rollout.state).toBe("comparing");
    expect(rollout.comparison.errors.errors.shadow).toBe(1);
  });

  it("rolls back a step that took too long, and says what it waited for", () => {
    const { rollout } = aRollout({ stepMsMax: 20_000 });
    run(rollout, { seed: 4, requests: 20 });
    const times = { ttft: 100, answer: Number.NaN, tpot: Number.NaN };
    const late = {
      arm: "inForce",
      conversation: 0.9,
      isError: false,
      times,
      startedMs: 30_000,
    } as const;
    rollout.ended(late, 30_000);
    expect(rollout.state).toBe("rolledBack");
    expect(rollout.reasons.join("\n")).toMatch(/waited for \d+ requests of the shadow document/u);
  });

  it("begins a step again when the document in force changes, and does not count requests from before", () => {
    const { rollout } = aRollout();
    run(rollout, { seed: 5, requests: 200 });
    rollout.restartStep(10_000);
    expect(rollout.comparison.errors.requests).toEqual({ inForce: 0, shadow: 0 });
    const times = { ttft: 100, answer: Number.NaN, tpot: Number.NaN };
    const before = {
      arm: "shadow",
      conversation: 0,
      isError: true,
      times,
      startedMs: 9_999,
    } as const;
    rollout.ended(before, 10_001);
    expect(rollout.comparison.errors.requests).toEqual({ inForce: 0, shadow: 0 });
    expect(rollout.share).toBe(0.1);
  });

  it("never goes on from a final state, and never has a share that no step has", () => {
    const aSample = fc.record({
      arm: fc.constantFrom("inForce" as const, "shadow" as const),
      conversation: fc.double({ min: 0, max: 1, noNaN: true }),
      isError: fc.boolean(),
      times: fc.record({ ttft: fc.double(), answer: fc.double(), tpot: fc.double() }),
      startedMs: fc.nat({ max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(aSample, { maxLength: 400 }), (samples) => {
        const { rollout, told } = aRollout({ stepRequests: 1, stepMs: 1 });
        let [final, ending] = ["", ""];
        for (const sample of samples) {
          rollout.ended(sample, sample.startedMs + 5);
          if (final === "" && rollout.state !== "comparing") final = rollout.state;
          ending = rollout.state;
          expect([0, 0.1, 0.5, 1]).toContain(rollout.share);
        }
        expect(ending).toBe(final === "" && samples.length > 0 ? "comparing" : final);
        expect(told.filter(({ event }) => event !== "stepped").length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
