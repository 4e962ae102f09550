import fc from "fast-check";
import { expect, it } from "vitest";
import type { ProfileHandler } from "../../src/core/data-plane-plugin.ts";
import { aContext } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/**
 * What every profile handler owes the scheduler.
 *
 * @param profileNames a set of profiles that suits the handler
 */
export function itKeepsTheProfileHandlerContract(
  handler: ProfileHandler,
  profileNames: readonly string[],
): void {
  it("accepts profiles that suit it", () => {
    expect(handler.mistakeIn(profileNames)).toBeUndefined();
  });

  it("asks for each profile at most once, comes to an end and answers with one it ran", () => {
    fc.assert(
      fc.property(aPool, ({ request, load }) => {
        const run: string[] = [];
        // One question more than there are profiles: the last answer has to be "no more".
        for (let asked = 0; asked <= profileNames.length; asked += 1) {
          const next = handler.next(aContext({ request, load }), profileNames, run);
          if (next === undefined) break;
          run.push(next);
        }
        expect(handler.next(aContext({ request, load }), profileNames, run)).toBeUndefined();
        expect(run.filter((name) => !profileNames.includes(name))).toEqual([]);
        expect(new Set(run).size).toBe(run.length);
        expect(run).toContain(handler.primary(run));
      }),
    );
  });

  it("has no answer before any profile ran", () => {
    expect(handler.primary([])).toBeUndefined();
  });
}
