import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aContext, aDecision, aHead, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import type { QueuedRequest, WaitingFlow } from "../../../core/flow-control.ts";
import type { RequestRecord } from "../../../core/request-record.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import { TokenShares } from "./token-shares.ts";
import { virtualTokenCounterFairness } from "./virtual-token-counter.ts";

/** A policy with these weights, and requests that it serves. */
class Served {
  readonly tokens = new Map<string, number>();
  readonly #policy;
  readonly #pick;

  constructor(weights: Readonly<Record<string, number>> = {}) {
    const params = virtualTokenCounterFairness.params.safeParse({ weights });
    if (!params.success) throw new Error("refused");
    this.#policy = virtualTokenCounterFairness.create(params.data, pluginDeps({}));
    const picker = this.#policy.fairness?.pickerOf?.(0);
    if (picker === undefined) throw new Error("flows matter");
    this.#pick = picker;
  }

  /** The flow whose turn it is among these. */
  turn(ids: readonly string[], nowMs = 0): string | undefined {
    // The policy reads no request of a flow.
    const first = {} as QueuedRequest;
    const flows = ids.map((fairnessId): WaitingFlow => ({ fairnessId, first, size: 1 }));
    return this.#pick.pick(flows, nowMs)?.fairnessId;
  }

  /** Sends a request; the result ends it. */
  send(id: string, promptTokens: number): (usage?: Partial<TokenUsage>) => void {
    this.tokens.set(id, (this.tokens.get(id) ?? 0) + promptTokens);
    const head = aHead({ headers: new Map([["x-llm-d-inference-fairness-id", id]]) });
    const context = aContext({ request: aRequest({ head, promptTokens }) });
    const follower = this.#policy.hooks?.sent({ context, decision: aDecision() });
    return (parts) => {
      const usage = parts && { promptTokens, outputTokens: 0, cachedTokens: undefined, ...parts };
      // The policy reads the usage of a record alone.
      follower?.ended?.({ usage } as RequestRecord);
    };
  }
}

describe("virtual-token-counter-fairness-policy", () => {
  it("serves the flow first that has received the fewest tokens, by prompt and twice the output", () => {
    const served = new Served();
    expect(served.turn(["a", "b"])).toBe("a");
    const end = served.send("a", 100);
    served.send("b", 250);
    // 100 and 250.
    expect(served.turn(["a", "b"])).toBe("a");
    end({ outputTokens: 100 });
    // 100 + 2 x 100 = 300.
    expect(served.turn(["a", "b"])).toBe("b");
  });

  it("takes cached tokens of a prompt off", () => {
    const served = new Served();
    served.turn(["a", "b"]);
    served.send("a", 1_000)({ cachedTokens: 900 });
    served.send("b", 200);
    expect(served.turn(["a", "b"])).toBe("a");
  });

  it("owes a flow nothing for a time in which it was silent", () => {
    const served = new Served();
    served.turn(["a"]);
    for (let count = 0; count < 10; count += 1) served.send("a", 100);
    // "a" was served last at 900 tokens, and "b" begins there.
    expect(served.turn(["a", "b"], 5_000)).toBe("b");
    served.send("b", 150);
    expect(served.turn(["a", "b"], 5_000)).toBe("a");
  });

  it("gives flows that always wait their share of the tokens to within one request for each", () => {
    const flow = fc.record({
      weight: fc.integer({ min: 1, max: 10 }),
      sizes: fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 10 }),
    });
    fc.assert(
      fc.property(fc.array(flow, { minLength: 2, maxLength: 8 }), (flows) => {
        const ids = flows.map((_, index) => `flow-${index}`);
        const served = new Served(
          Object.fromEntries(flows.map(({ weight }, index) => [ids[index] ?? "", weight])),
        );
        const sent = flows.map(() => 0);
        for (let turn = 0; turn < 500; turn += 1) {
          const index = ids.indexOf(served.turn(ids, turn) ?? "");
          const { sizes } = flows[index] ?? { sizes: [] };
          const count = sent[index] ?? 0;
          sent[index] = count + 1;
          served.send(ids[index] ?? "", sizes[count % sizes.length] ?? 1);
        }
        const perWeight = flows.map(
          ({ weight }, index) => (served.tokens.get(ids[index] ?? "") ?? 0) / weight,
        );
        const quantum = Math.max(...flows.map(({ weight, sizes }) => Math.max(...sizes) / weight));
        // None starves, and none is ahead of another by more than its largest request.
        expect(Math.max(...perWeight) - Math.min(...perWeight)).toBeLessThanOrEqual(quantum + 1e-6);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps a bounded number of flows, and drops the one that was served longest ago", () => {
    const shares = new TokenShares();
    for (let count = 0; count < 100_001; count += 1) shares.sent(`flow-${count}`, 10);
    expect(shares.size).toBe(100_000);
  });
});
