import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HashTable } from "./hash-table.ts";

/** A table of numbers whose hashes are kept next to it, as the index keeps them. */
function tableOf(numberMax: number) {
  const lows = new Uint32Array(numberMax + 1);
  const highs = new Uint32Array(numberMax + 1);
  let compared = 0;
  const table = new HashTable(
    {
      lowOf: (number) => lows[number] ?? 0,
      has: (number, low, high) => {
        compared += 1;
        return lows[number] === low && highs[number] === high;
      },
    },
    numberMax,
  );
  const add = (low: number, high: number, number: number) => {
    lows[number] = low;
    highs[number] = high;
    table.add(low, number);
  };
  return { table, lows, add, compared: () => compared };
}

const numberMax = 200;
/** Halves of hashes that often agree: in their shard, in their place, in their highest bits, or in all of them. */
const half = fc.oneof(
  fc.nat({ max: 3 }),
  fc.nat({ max: 40 }).map((place) => place * 64),
  fc.nat({ max: 2 ** 32 - 1 }),
  fc.nat({ max: 3 }).map((rest) => 2 ** 32 - 1 - rest),
);
const hashes = fc.uniqueArray(fc.tuple(half, half), {
  maxLength: numberMax,
  selector: ([low, high]) => `${low} ${high}`,
});

describe("a table of hashes", () => {
  it("finds what is in it, whatever was added and removed", () => {
    fc.assert(
      fc.property(hashes, fc.infiniteStream(fc.boolean()), (all, stays) => {
        const { table, add } = tableOf(numberMax);
        const left = new Map<number, number>();
        for (const [index, [low, high]] of all.entries()) {
          add(low, high, index + 1);
          left.set(index, index + 1);
          const [earlier] = left.keys();
          const [earlierLow = 0] = all[earlier ?? 0] ?? [];
          if (stays.next().value === true || earlier === undefined) continue;
          table.remove(earlierLow, earlier + 1);
          left.delete(earlier);
        }
        const found = all.map(([low, high]) => table.find(low, high));
        expect(found).toEqual(all.map((_, index) => left.get(index) ?? 0));
      }),
    );
  });

  it("takes the highest number that it is made for", () => {
    const { table, add } = tableOf(4_000_000);
    add(2 ** 32 - 1, 7, 4_000_000);
    add(2 ** 31, 7, 1);
    expect([table.find(2 ** 32 - 1, 7), table.find(2 ** 31, 7), table.find(2 ** 31, 8)]).toEqual([
      4_000_000, 1, 0,
    ]);
  });

  it("reads few hashes that are not the one asked for, and needs 11 bytes for each at most", () => {
    const count = 100_000;
    const { table, add, lows, compared } = tableOf(4_000_000);
    for (let number = 1; number <= count; number += 1) {
      add(Math.imul(number, 0x9e3779b1) >>> 0, number, number);
    }
    expect(table.memoryBytes).toBeLessThan(11 * count);
    for (let number = 1; number <= count; number += 1) {
      expect(table.find(lows[number] ?? 0, number)).toBe(number);
    }
    expect(compared()).toBeLessThan(1.05 * count);
    for (let number = 1; number <= count; number += 1) table.remove(lows[number] ?? 0, number);
    expect(table.memoryBytes).toBe(64 * 16 * 4);
  });
});
