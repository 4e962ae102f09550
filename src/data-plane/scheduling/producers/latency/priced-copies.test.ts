import fc from "fast-check";
import { expect, it } from "vitest";
import { CopyPrice } from "./copy-price.ts";
import { PricedCopies } from "./priced-copies.ts";

const held = {
  count: 4,
  positions: Uint32Array.from([0, 100, 200, 300]),
  holders: Uint32Array.from([9, 3, 2, 1]),
  usesPerSecond: Float64Array.from([2, 1, 0.5, 0.01]),
  blocksEach: 100,
};

it("prices copies as CopyPrice does, whatever was asked before", () => {
  const copies = new CopyPrice();
  copies.noteBusy(0.5);
  const priced = new PricedCopies(copies);
  const lifetimeMs = fc.option(
    fc.nat({ max: 2_000 }).map((seconds) => seconds * 1_000),
    { nil: undefined },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 400 }), lifetimeMs)), (asked) => {
      priced.begin(64, held);
      for (const [matched, lifetime] of asked) {
        const extra = priced.extraBlocksOf(matched, lifetime ?? -1);
        expect(extra).toBe(copies.extraBlocks(held, matched, lifetime));
        expect(priced.lastHeld >= matched || extra === 0).toBe(true);
      }
    }),
  );
});
