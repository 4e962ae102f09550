import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NumberRing } from "./number-ring.ts";

describe("NumberRing", () => {
  it("hands out blocks one after another, and wraps around", () => {
    const ring = new NumberRing(10);
    const offsets = [4, 5, 3].map((count) => ring.offsetOf(ring.take(count)));
    // 4 + 5 + 3 > 10, so the third one begins at 0 again.
    expect(offsets).toEqual([0, 4, 0]);
  });

  it("knows if a block was overwritten", () => {
    const ring = new NumberRing(10);
    const [first, second] = [ring.take(4), ring.take(4)];
    expect([ring.holds(first), ring.holds(second)]).toEqual([true, true]);
    // 8 + 3 > 10: 2 are skipped and 0 to 2 overwritten.
    ring.take(3);
    expect([ring.holds(first), ring.holds(second)]).toEqual([false, true]);
  });

  it("has no place for a block that is larger than all of it, and holds no such block", () => {
    const ring = new NumberRing(3);
    expect(ring.take(4)).toBeNaN();
    expect(ring.holds(ring.take(4))).toBe(false);
    expect(ring.holds(ring.take(3))).toBe(true);
  });

  it("works without any memory", () => {
    const ring = new NumberRing(0);
    expect(ring.offsetOf(ring.take(0))).toBe(0);
    expect(ring.take(1)).toBeNaN();
    expect(ring.memoryBytes).toBe(0);
  });

  it("never overwrites a block that it says it holds", () => {
    const counts = fc.array(fc.nat({ max: 12 }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.nat({ max: 40 }), counts, (size, each) => {
        const ring = new NumberRing(size);
        const blocks: { readonly position: number; readonly count: number }[] = [];
        for (const [mark, count] of each.entries()) {
          const position = ring.take(count);
          if (Number.isNaN(position)) continue;
          const start = ring.offsetOf(position);
          ring.numbers.fill(mark, start, start + count);
          blocks[mark] = { position, count };
          for (const [known, block] of blocks.entries()) {
            if (block === undefined || !ring.holds(block.position)) continue;
            const from = ring.offsetOf(block.position);
            const numbers = ring.numbers.subarray(from, from + block.count);
            expect(numbers.every((number) => number === known)).toBe(true);
          }
        }
      }),
    );
  });
});
