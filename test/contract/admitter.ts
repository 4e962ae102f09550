import fc from "fast-check";
import { expect, it } from "vitest";
import { ERRORS } from "../../src/core/errors.ts";
import type { Admitter } from "../../src/core/data-plane-plugin.ts";
import { aContext, aRequest } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/** What every admitter owes the scheduler. */
export function itKeepsTheAdmitterContract(admitter: Admitter): void {
  it("lets requests of a priority of 0 and more pass, whatever the load", () => {
    fc.assert(
      fc.property(aPool, fc.nat(), ({ load, candidates }, priority) => {
        const context = aContext({ request: aRequest({ priority }), load });
        expect(admitter.admit(context, candidates)).toBeUndefined();
      }),
    );
  });

  it("refuses with 429 if at all, never with an error of ours", () => {
    fc.assert(
      fc.property(aPool, ({ load, candidates }) => {
        const context = aContext({ request: aRequest({ priority: -1 }), load });
        const refusal = admitter.admit(context, candidates);
        expect(refusal === undefined ? 429 : ERRORS[refusal.code].httpStatus).toBe(429);
      }),
    );
  });

  it("takes no candidates for no reason", () => {
    const context = aContext({ request: aRequest({ priority: -1 }) });
    expect(admitter.admit(context, [])).toBeUndefined();
  });
}
