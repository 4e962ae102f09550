import fc from "fast-check";
import { expect, it } from "vitest";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Filter } from "../../src/core/data-plane-plugin.ts";
import { aContext } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/** What every filter owes the scheduler, whatever it looks at. */
export function itKeepsTheFilterContract(filter: Filter): void {
  it("keeps some of the candidates, each once and in their order", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        const kept = filter.filter(aContext({ request, load }), candidates);
        expect(kept).toEqual(candidates.filter((candidate) => kept.includes(candidate)));
      }),
    );
  });

  it("keeps none of none", () => {
    fc.assert(
      fc.property(aPool, ({ request, load }) => {
        expect(filter.filter(aContext({ request, load }), [])).toEqual([]);
      }),
    );
  });

  it("changes neither the candidates nor the load", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        const frozen: readonly Endpoint[] = Object.freeze([...candidates]);
        const loadBefore = structuredClone(load);
        filter.filter(aContext({ request, load }), frozen);
        expect(frozen).toEqual(candidates);
        expect(load).toEqual(loadBefore);
      }),
    );
  });
}
