import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairFlows } from "#test/support/fair-flows.ts";
import { deficitRoundRobinFairness } from "./deficit-round-robin.ts";
import { bandTurnsMemory, FlowTurns } from "./flow-turns.ts";

const quantumTokens = 100;

function served(params: Readonly<Record<string, unknown>> = {}): FairFlows {
  return new FairFlows(deficitRoundRobinFairness, { quantumTokens, ...params });
}

/** The flow whose turn it is, and its request of this size, which is sent. */
function sendNext(flows: FairFlows, ids: readonly string[], promptTokens: number) {
  const requests = new Map(ids.map((id) => [id, flows.request(id, promptTokens)]));
  const id = flows.turn(requests) ?? "";
  return { id, end: flows.send(id, promptTokens, requests.get(id)) };
}

function turnsOf(flows: FairFlows, ids: readonly string[], sizes: readonly number[]): string {
  return sizes.map((size) => sendNext(flows, ids, size).id).join("");
}

describe("deficit-round-robin-fairness-policy", () => {
  it("serves a flow until its requests have cost a quantum, and then the next one", () => {
    // 100 - 60 - 60 = -20 each; then 80 - 60 - 60 = -40; then 60 - 60 = 0.
    expect(turnsOf(served(), ["a", "b"], Array(10).fill(60))).toBe("aabbaabbab");
  });

  it("gives a flow of twice the weight two quanta in its turn", () => {
    const flows = served({ weights: { b: 2 } });
    expect(turnsOf(flows, ["a", "b"], Array(9).fill(100))).toBe("abbabbabb");
  });

  it("takes what a request costs beyond its turn off the next ones", () => {
    // a owes 250: after the two turns in which b pays 200, it owes 50, and has 50 left in the third.
    expect(turnsOf(served(), ["a", "b"], [350, 100, 100, 100, 100, 100])).toBe("abbbab");
  });

  it("charges the output at the end of the answer, and takes cached tokens off", () => {
    const flows = served();
    const first = sendNext(flows, ["a", "b"], 10);
    expect(first.id).toBe("a");
    // a: 100 - 10 - 2 x 95 = -100.
    first.end({ outputTokens: 95 });
    expect(turnsOf(flows, ["a", "b"], [100, 100])).toBe("bb");
    const cached = sendNext(flows, ["a", "b"], 150);
    expect(cached.id).toBe("a");
    cached.end({ cachedTokens: 140 });
    // It had 100 and has cost 10.
    expect(turnsOf(flows, ["a", "b"], [90, 1])).toBe("ab");
  });

  it("charges neither a request that did not wait nor a further attempt", () => {
    const flows = served();
    flows.send("a", 10_000)({ outputTokens: 10_000 });
    const request = flows.request("a", 60);
    expect(flows.turn(new Map([["a", request]]))).toBe("a");
    flows.send("a", 60, request);
    flows.send("a", 60, request);
    // 40 are left.
    expect(turnsOf(flows, ["a", "b"], [40, 1])).toBe("ab");
  });

  it("lets other flows go on if a request was not sent, and keeps the credit of its flow", () => {
    const flows = served();
    expect(flows.turnOf(["a", "b", "c"])).toBe("a");
    // The request of a is passed over, and then that of b.
    expect(flows.turnOf(["b", "c"])).toBe("b");
    expect(sendNext(flows, ["c"], 100).id).toBe("c");
    // All are back: a and b have their turns of this round, and c has had its own.
    expect(turnsOf(flows, ["a", "b", "c"], Array(5).fill(100))).toBe("ababc");
  });

  it("pays the debts of a flow without requests off, and saves nothing up for it", () => {
    const flows = served();
    expect(sendNext(flows, ["a", "b"], 250).id).toBe("a");
    expect(turnsOf(flows, ["b"], Array(20).fill(100))).toBe("b".repeat(20));
    // The turn of a in the round of the last b, and then one for each.
    expect(turnsOf(flows, ["a", "b"], Array(5).fill(100))).toBe("aabab");
  });

  it("counts each band for itself", () => {
    const flows = served();
    const requests = () => new Map(["a", "b"].map((id) => [id, flows.request(id, 500)]));
    const high = requests();
    expect(flows.turn(high, 0, 1)).toBe("a");
    flows.send("a", 500, high.get("a"));
    expect(flows.turn(requests(), 0, 1)).toBe("b");
    expect(flows.turn(requests(), 0, 0)).toBe("a");
  });
});

const flow = fc.record({
  weight: fc.integer({ min: 1, max: 10 }),
  sizes: fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 6 }),
  outputs: fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 6 }),
});
const flowsOfTests = fc.array(flow, { minLength: 2, maxLength: 6 });

interface Load {
  readonly flows: readonly (typeof flow extends fc.Arbitrary<infer T> ? T : never)[];
  readonly quantumTokens: number;
  /** Requests that run at a time. */
  readonly runningMax: number;
  readonly sent: number;
}

/** Costs of flows that always have requests, and the most that one of them may have cost beyond its turn. */
function costsOf({ flows, quantumTokens: quantum, runningMax, sent }: Load) {
  const ids = flows.map((_, index) => `flow-${index}`);
  const weights = Object.fromEntries(flows.map(({ weight }, index) => [ids[index] ?? "", weight]));
  const rig = served({ weights, quantumTokens: quantum });
  const counts = flows.map(() => 0);
  const costs = flows.map(() => 0);
  const running: { readonly index: number; readonly outputTokens: number; end: () => void }[] = [];
  const endFirst = () => {
    const ended = running.shift();
    if (ended === undefined) return;
    ended.end();
    costs[ended.index] = (costs[ended.index] ?? 0) + 2 * ended.outputTokens;
  };
  for (let count = 0; count < sent; count += 1) {
    const requests = new Map(
      flows.map(({ sizes }, index) => {
        const size = sizes[(counts[index] ?? 0) % sizes.length] ?? 1;
        return [ids[index] ?? "", rig.request(ids[index] ?? "", size)];
      }),
    );
    const id = rig.turn(requests) ?? "";
    const request = requests.get(id);
    const index = ids.indexOf(id);
    const { promptTokens = 0 } = request ?? {};
    const { outputs = [] } = flows[index] ?? {};
    const outputTokens = outputs[(counts[index] ?? 0) % outputs.length] ?? 0;
    counts[index] = (counts[index] ?? 0) + 1;
    costs[index] = (costs[index] ?? 0) + promptTokens;
    const end = rig.send(id, promptTokens, request);
    running.push({ index, outputTokens, end: () => end({ outputTokens }) });
    if (running.length > runningMax) endFirst();
  }
  const beyond = flows.map(
    ({ sizes, outputs }) => Math.max(...sizes) + (runningMax + 1) * 2 * Math.max(...outputs),
  );
  return { costs, beyond };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

/** Sends a request of one of these flows, if all of others are passed over. Returns its flow. */
function sendUnblocked(rig: FairFlows, ids: readonly string[], step: Step): string {
  const requests = new Map(ids.map((id) => [id, rig.request(id, step.size)]));
  const id = rig.turn(requests) ?? "";
  expect(ids).toContain(id);
  if (step.blocked.includes(id)) {
    return sendUnblocked(
      rig,
      ids.filter((each) => each !== id),
      step,
    );
  }
  rig.send(id, step.size, requests.get(id));
  return id;
}

interface Step {
  readonly blocked: readonly string[];
  readonly size: number;
}

describe("flows that always wait", () => {
  it("get at least their share by weight, but for one quantum and their share of what others may overdraw", () => {
    const load = fc.record({
      flows: flowsOfTests,
      quantumTokens: fc.integer({ min: 1, max: 5_000 }),
      runningMax: fc.integer({ min: 0, max: 8 }),
      sent: fc.integer({ min: 1, max: 400 }),
    });
    fc.assert(
      fc.property(load, (given) => {
        const { costs, beyond } = costsOf(given);
        const weights = given.flows.map(({ weight }) => weight);
        for (const [index, { weight }] of given.flows.entries()) {
          const share = weight / sum(weights);
          const least = share * (sum(costs) - sum(beyond)) - weight * given.quantumTokens;
          expect(costs[index]).toBeGreaterThanOrEqual(least - 1e-6);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("wait for no more than a turn and what was overdrawn of each other flow", () => {
    fc.assert(
      fc.property(flowsOfTests, (flows) => {
        const ids = flows.map((_, index) => `flow-${index}`);
        const rig = served({ quantumTokens: 5_000 });
        const between = ids.map(() => 0);
        for (let count = 0; count < 300; count += 1) {
          const size = flows[count % flows.length]?.sizes[0] ?? 1;
          const { id } = sendNext(rig, ids, size);
          for (const [index] of ids.entries()) between[index] = (between[index] ?? 0) + size;
          between[ids.indexOf(id)] = 0;
          // Three rounds at most: no request is larger than a quantum, and so is no debt.
          expect(Math.max(...between)).toBeLessThanOrEqual((ids.length - 1) * 4 * 5_000);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("go on if any others are passed over, and none that may be sent is left out", () => {
    const step = fc.record({
      blocked: fc.subarray(["a", "b", "c"]),
      size: fc.integer({ min: 1, max: 900 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const rig = served();
        // d and e are never passed over.
        const costs = { d: 0, e: 0 };
        for (const each of steps) {
          const id = sendUnblocked(rig, ["a", "b", "c", "d", "e"], each);
          if (id === "d" || id === "e") costs[id] += each.size;
        }
        expect(Math.abs(costs.d - costs.e)).toBeLessThanOrEqual(quantumTokens + 900);
      }),
    );
  });
});

describe("the memory of turns", () => {
  it("keeps a bounded number of flows", () => {
    const turns = new FlowTurns(quantumTokens);
    for (let count = 0; count < 10_001; count += 1) turns.sent(`flow-${count}`, 10);
    expect(turns.size).toBe(10_000);
  });

  it("outlives a reload, with the new quantum", () => {
    const memory = bandTurnsMemory.create({ quantumTokens });
    const turns = memory.of(0);
    bandTurnsMemory.configure?.(memory, { quantumTokens: 500 });
    expect(memory.of(0)).toBe(turns);
    expect(turns.quantumTokens).toBe(500);
  });
});
