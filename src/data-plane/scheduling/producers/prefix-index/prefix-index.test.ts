import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PromptBlocks } from "../../../../core/prefix-match.ts";
import { type AddedBlocks, type BlockUse, PrefixIndex } from "./prefix-index.ts";

/** Chains whose blocks are small numbers, so that they collide in the low word too. */
function hashedOf(...chains: readonly (readonly number[])[]): PromptBlocks {
  return {
    blockTokens: 64,
    totalBlocks: chains.reduce((sum, { length }) => sum + length, 0),
    chains: chains.map((blocks) =>
      Uint32Array.from(blocks.flatMap((block) => [(block % 7) * 64, block])),
    ),
  };
}

/** A use of blocks in an empty minute, by a slot that keeps this many. */
function keeping(capacityBlocks: number, nowMs = 60_000): BlockUse {
  return { capacityBlocks, nowMs };
}

/** The bit set of these slots. */
function setOf(slots: readonly number[]): Int32Array {
  const set = new Int32Array(128);
  for (const slot of slots) set[slot >>> 5] = (set[slot >>> 5] ?? 0) | (1 << (slot & 31));
  return set;
}

function matchedBy(index: PrefixIndex, hashed: PromptBlocks, slots: readonly number[]) {
  const matched = new Uint32Array(4_096);
  index.match(hashed, setOf(slots), matched);
  return slots.map((slot) => matched[slot] ?? 0);
}

describe("the prefix index", () => {
  it("finds the number of leading blocks of each slot", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3]), keeping(10));
    index.add(5, hashedOf([1, 2]), keeping(10));
    index.add(40, hashedOf([9]), keeping(10));
    expect(matchedBy(index, hashedOf([1, 2, 3, 4]), [0, 5, 40, 41])).toEqual([3, 2, 0, 0]);
  });

  it("counts no block after a gap", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1]), keeping(10));
    index.add(0, hashedOf([3]), keeping(10));
    index.add(1, hashedOf([1, 2, 3]), keeping(10));
    expect(matchedBy(index, hashedOf([1, 2, 3]), [0, 1])).toEqual([1, 3]);
  });

  it("adds up the prompts of a batch", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2], [7]), keeping(10));
    expect(matchedBy(index, hashedOf([1, 2, 3], [7, 8], [9]), [0])).toEqual([3]);
  });

  it("matches only the given slots", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1]), keeping(10));
    const matched = new Uint32Array(4_096);
    index.match(hashedOf([1]), setOf([1]), matched);
    expect(matched[0]).toBe(0);
  });

  it("evicts the end of the least recently used prompt", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3]), keeping(5));
    index.add(0, hashedOf([4, 5, 6]), keeping(5));
    expect(index.blocksOf(0)).toBe(5);
    expect(matchedBy(index, hashedOf([1, 2, 3]), [0])).toEqual([2]);
    expect(matchedBy(index, hashedOf([4, 5, 6]), [0])).toEqual([3]);
  });

  it("keeps the beginning of a prompt beyond its capacity", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3, 4, 5]), keeping(2));
    expect(matchedBy(index, hashedOf([1, 2, 3]), [0])).toEqual([2]);
  });

  it("takes back the blocks of a request, except existing ones and those used since", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1]), keeping(10));
    const request = index.add(0, hashedOf([1, 2, 3]), keeping(10));
    index.add(0, hashedOf([1, 2]), keeping(10));
    request.takeBack();
    request.takeBack();
    expect(matchedBy(index, hashedOf([1, 2, 3]), [0])).toEqual([2]);
  });

  it("takes nothing back from the next endpoint in the slot", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    const request = index.add(0, hashedOf([1, 2]), keeping(10));
    index.forget(0);
    index.add(0, hashedOf([1, 2]), keeping(10));
    request.takeBack();
    expect(matchedBy(index, hashedOf([1, 2]), [0])).toEqual([2]);
  });

  it("forgets what was used last before a time, and keeps the blocks that were used again since", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3]), keeping(10, 4_000));
    index.add(0, hashedOf([7]), keeping(10, 4_900));
    index.add(0, hashedOf([1, 2]), keeping(10, 6_200));
    index.add(1, hashedOf([1, 2, 3]), keeping(10, 4_000));
    index.forget(0, 6_500);
    expect(matchedBy(index, hashedOf([1, 2, 3]), [0, 1])).toEqual([2, 3]);
    expect(matchedBy(index, hashedOf([7]), [0])).toEqual([0]);
    index.forget(0, 7_000);
    expect(index.blocksOf(0)).toBe(0);
  });

  it("keeps existing blocks of a prompt that is taken back, even if the slot is full", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3]), keeping(6));
    index.add(0, hashedOf([11, 12, 13]), keeping(6));
    index.add(0, hashedOf([1, 2, 3, 4, 5, 6]), keeping(6)).takeBack();
    expect(matchedBy(index, hashedOf([1, 2, 3, 4, 5, 6]), [0])).toEqual([3]);
  });

  it("gives a late slot its share of a full index", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf(Array.from({ length: 100 }, (_, block) => block)), keeping(1_000));
    index.add(1, hashedOf(Array.from({ length: 40 }, (_, block) => 200 + block)), keeping(1_000));
    expect([index.blocksOf(0), index.blocksOf(1)]).toEqual([60, 40]);
  });

  it("stays within its bound over all slots, at the cost of the largest", () => {
    const index = new PrefixIndex({ entriesMax: 6 });
    index.add(0, hashedOf([1, 2, 3, 4]), keeping(10));
    index.add(1, hashedOf([11, 12, 13, 14]), keeping(10));
    expect(index.entryCount).toBe(6);
    // Two entries were free, slot 0 gave up one, and then slot 1 its own oldest, which was the prompt's end.
    expect([index.blocksOf(0), index.blocksOf(1)]).toEqual([3, 3]);
    expect(matchedBy(index, hashedOf([11, 12, 13, 14]), [1])).toEqual([3]);
  });

  it("evicts from the largest slot if the one that adds holds nothing", () => {
    const index = new PrefixIndex({ entriesMax: 4 });
    index.add(0, hashedOf([1, 2, 3]), keeping(10));
    index.add(1, hashedOf([11]), keeping(10));
    index.add(2, hashedOf([21]), keeping(10));
    expect([0, 1, 2].map((slot) => index.blocksOf(slot))).toEqual([2, 1, 1]);
  });
});

/** The same index in maps and sets, as a slow and simple model. */
class Model {
  readonly slots = new Map<number, Map<number, number>>();
  #use = 0;

  add(slot: number, blocks: readonly number[], capacity: number): () => void {
    this.#use += 1;
    const use = this.#use;
    const held = this.slots.get(slot) ?? new Map<number, number>();
    this.slots.set(slot, held);
    const added: number[] = [];
    for (const block of blocks.slice(0, capacity).toReversed()) {
      if (!held.delete(block)) added.push(block);
      held.set(block, use);
    }
    this.#shrink(held, capacity);
    return () => {
      for (const block of added.splice(0)) {
        const now = this.slots.get(slot);
        if (now?.get(block) === use) now.delete(block);
      }
    };
  }

  matched(slot: number, blocks: readonly number[]): number {
    const held = this.slots.get(slot);
    const end = blocks.findIndex((block) => held?.has(block) !== true);
    return end === -1 ? blocks.length : end;
  }

  get entryCount(): number {
    return [...this.slots.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get blockCount(): number {
    return new Set([...this.slots.values()].flatMap((held) => Array.from(held.keys()))).size;
  }

  #shrink(held: Map<number, number>, capacity: number): void {
    for (const oldest of held.keys()) {
      if (held.size <= capacity) return;
      held.delete(oldest);
    }
  }
}

const slot = fc.constantFrom(0, 1, 2, 31, 32, 33, 700, 4_095);
const chain = fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 12 });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("add"), slot, chain, capacity: fc.nat(15) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("take back"), nth: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget"), slot }) },
);

describe("any sequence of steps", () => {
  it("gives the results of a slow model, and leaves no block without an owner", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), chain, (steps, asked) => {
        const index = new PrefixIndex({ entriesMax: 1_000 });
        const model = new Model();
        const requests: { index: AddedBlocks; model: () => void }[] = [];
        for (const each of steps) {
          if ("chain" in each) {
            requests.push({
              index: index.add(each.slot, hashedOf(each.chain), keeping(each.capacity)),
              model: model.add(each.slot, each.chain, each.capacity),
            });
          } else if ("nth" in each) {
            const request = requests[each.nth];
            request?.index.takeBack();
            request?.model();
          } else {
            index.forget(each.slot);
            model.slots.delete(each.slot);
          }
          expect(index.entryCount).toBe(model.entryCount);
          expect(index.blockCount).toBe(model.blockCount);
        }
        const slots = [0, 1, 2, 31, 32, 33, 700, 4_095];
        for (const each of slots) {
          expect(index.blocksOf(each)).toBe(model.slots.get(each)?.size ?? 0);
        }
        expect(matchedBy(index, hashedOf(asked), slots)).toEqual(
          slots.map((each) => model.matched(each, asked)),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it("never exceeds the bound over all slots, and still finds only what was added", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const index = new PrefixIndex({ entriesMax: 20 });
        const everAdded = new Map<number, Set<number>>();
        for (const each of steps) {
          if (!("chain" in each)) continue;
          index.add(each.slot, hashedOf(each.chain), keeping(each.capacity));
          const added = everAdded.get(each.slot) ?? new Set();
          everAdded.set(each.slot, added);
          for (const block of each.chain) added.add(block);
          expect(index.entryCount).toBeLessThanOrEqual(20);
          expect(index.blockCount).toBeLessThanOrEqual(index.entryCount);
        }
        for (const [each, added] of everAdded) {
          for (let block = 0; block <= 40; block += 1) {
            const [found] = matchedBy(index, hashedOf([block]), [each]);
            expect(found === 0 || added.has(block)).toBe(true);
          }
        }
      }),
    );
  });

  it("grows and shrinks its tables with their contents", () => {
    const index = new PrefixIndex({ entriesMax: 50_000 });
    const blocks = Array.from({ length: 40_000 }, (_, block) => [block * 2_654_435_761, block]);
    const hashed = {
      blockTokens: 64,
      totalBlocks: blocks.length,
      chains: [Uint32Array.from(blocks.flat())],
    };
    index.add(3, hashed, keeping(50_000));
    expect(matchedBy(index, hashed, [3])).toEqual([40_000]);
    const full = index.memoryBytes;
    index.forget(3);
    expect([index.entryCount, index.blockCount]).toEqual([0, 0]);
    // A place for each block takes 4 bytes, and half of the places or more were in use.
    expect(index.memoryBytes).toBeLessThan(full - 40_000 * 4);
  });
});

describe("the blocks of a prompt that are held", () => {
  const longChain = Array.from({ length: 1_000 }, (_, block) => block);

  it("have their holders and the rate of their uses", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1, 2, 3]), keeping(10, 60_000));
    index.add(5, hashedOf([1, 2]), keeping(10, 60_000));
    index.add(5, hashedOf([1]), keeping(10, 90_000));
    matchedBy(index, hashedOf([1, 2, 3, 4]), [0, 5]);
    const { count, positions, holders, usesPerSecond, blocksEach } = index.heldBlocks(120_000);
    expect([...positions.subarray(0, count)]).toEqual([0, 1, 2]);
    expect([...holders.subarray(0, count)]).toEqual([2, 2, 1]);
    expect(blocksEach).toBe(1);
    // Uses 60 s ago count 1/e of 1/60 per second, one 30 s ago its square root.
    const old = Math.exp(-1) / 60;
    for (const [sample, rate] of [2 * old + Math.exp(-0.5) / 60, 2 * old, old].entries()) {
      expect(usesPerSecond[sample]).toBeCloseTo(rate, 6);
    }
  });

  it("are at most 64 samples, evenly spread", () => {
    const index = new PrefixIndex({ entriesMax: 4_000 });
    index.add(0, hashedOf(longChain), keeping(2_000));
    matchedBy(index, hashedOf(longChain), [0]);
    const { count, positions, blocksEach } = index.heldBlocks(60_000);
    expect(count).toBe(64);
    expect([positions[0], positions[63]]).toEqual([7, 992]);
    expect(blocksEach).toBeCloseTo(1_000 / 64, 9);
  });

  it("are those that any slot holds, up to the longest match", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    index.add(0, hashedOf([1]), keeping(10));
    index.add(1, hashedOf([1, 2, 3, 4]), keeping(10));
    matchedBy(index, hashedOf([1, 2, 3, 9]), [0, 1]);
    const { count, holders } = index.heldBlocks(60_000);
    expect([...holders.subarray(0, count)]).toEqual([2, 1, 1]);
    matchedBy(index, hashedOf([7]), [0, 1]);
    expect(index.heldBlocks(60_000).count).toBe(0);
  });

  it("start afresh if their numbers are taken by others", () => {
    const index = new PrefixIndex({ entriesMax: 1 });
    index.add(0, hashedOf([1]), keeping(10));
    index.add(0, hashedOf([2]), keeping(10));
    matchedBy(index, hashedOf([2]), [0]);
    expect(index.heldBlocks(60_000).usesPerSecond[0]).toBeCloseTo(1 / 60, 6);
  });
});

describe("the age at which a slot evicts blocks", () => {
  it("is that of its oldest block once it is full", () => {
    const index = new PrefixIndex({ entriesMax: 100 });
    expect(index.evictionAgeMs(0, 60_000)).toBeUndefined();
    index.add(0, hashedOf([1, 2]), keeping(3, 60_000));
    expect(index.evictionAgeMs(0, 70_000)).toBeUndefined();
    index.add(0, hashedOf([7, 8]), keeping(3, 80_000));
    // Of block 1, because block 2 was evicted first.
    expect(index.evictionAgeMs(0, 90_000)).toBe(30_000);
    index.add(0, hashedOf([1]), keeping(3, 95_000));
    expect(index.evictionAgeMs(0, 100_000)).toBe(20_000);
  });
});
