import fc from "fast-check";
import { expect, it } from "vitest";
import type { Decider } from "../../src/core/data-plane-plugin.ts";
import { aContext } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/** What every decider owes the profile handler that asks it. */
export function itKeepsTheDeciderContract(decider: Decider): void {
  it("says yes or no, the same twice, whatever broken engines report", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        const context = aContext({ request, load, endpoints: candidates });
        for (const endpoint of [...candidates, undefined]) {
          const answer = decider.decide(context, endpoint);
          expect([true, false]).toContain(answer);
          expect(decider.decide(context, endpoint)).toBe(answer);
        }
      }),
    );
  });

  it("changes nothing of the load", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        const loadBefore = structuredClone(load);
        decider.decide(aContext({ request, load }), candidates[0]);
        expect(load).toEqual(loadBefore);
      }),
    );
  });
}
