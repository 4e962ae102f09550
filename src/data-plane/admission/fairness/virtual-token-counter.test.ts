import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairFlows } from "#test/support/fair-flows.ts";
import { TokenShares } from "./token-shares.ts";
import { virtualTokenCounterFairness } from "./virtual-token-counter.ts";

describe("virtual-token-counter-fairness-policy", () => {
  it("serves the flow first that has received the fewest tokens, by prompt and twice the output", () => {
    const served = new FairFlows(virtualTokenCounterFairness);
    expect(served.turnOf(["a", "b"])).toBe("a");
    const end = served.send("a", 100);
    served.send("b", 250);
    // 100 and 250.
    expect(served.turnOf(["a", "b"])).toBe("a");
    end({ outputTokens: 100 });
    // 100 + 2 x 100 = 300.
    expect(served.turnOf(["a", "b"])).toBe("b");
  });

  it("takes cached tokens of a prompt off", () => {
    const served = new FairFlows(virtualTokenCounterFairness);
    served.turnOf(["a", "b"]);
    served.send("a", 1_000)({ cachedTokens: 900 });
    served.send("b", 200);
    expect(served.turnOf(["a", "b"])).toBe("a");
  });

  it("owes a flow nothing for a time in which it was silent", () => {
    const served = new FairFlows(virtualTokenCounterFairness);
    served.turnOf(["a"]);
    for (let count = 0; count < 10; count += 1) served.send("a", 100);
    // "a" was served last at 900 tokens, and "b" begins there.
    expect(served.turnOf(["a", "b"], 5_000)).toBe("b");
    served.send("b", 150);
    expect(served.turnOf(["a", "b"], 5_000)).toBe("a");
  });

  it("gives flows that always wait their share of the tokens to within one request for each", () => {
    const flow = fc.record({
      weight: fc.integer({ min: 1, max: 10 }),
      sizes: fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 10 }),
    });
    fc.assert(
      fc.property(fc.array(flow, { minLength: 2, maxLength: 8 }), (flows) => {
        const ids = flows.map((_, index) => `flow-${index}`);
        const served = new FairFlows(virtualTokenCounterFairness, {
          weights: Object.fromEntries(flows.map(({ weight }, index) => [ids[index] ?? "", weight])),
        });
        const sent = flows.map(() => 0);
        for (let turn = 0; turn < 500; turn += 1) {
          const index = ids.indexOf(served.turnOf(ids, turn) ?? "");
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
