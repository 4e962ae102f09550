import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../std/random.ts";
import { BlockSample, type BlockSampleOptions, type PromptUse } from "./block-sample.ts";

/** The chain of prompts that are told apart by their names: blocks are equal as far as the names are. */
function chainOf(names: readonly number[]): Uint32Array {
  let [low, high] = [1, 2];
  return Uint32Array.from(
    names.flatMap((name) => {
      low = mixed(low ^ name);
      high = mixed(high ^ (name + 77));
      return [low, high];
    }),
  );
}

function mixed(number: number): number {
  let hash = Math.imul(number ^ (number >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function useOf(parts: Partial<PromptUse> = {}): PromptUse {
  return { nowMs: 0, tokens: 100, capacityBlocks: Infinity, copiesOf: () => 1, ...parts };
}

/** Blocks since the last use of each block, from the beginning of the prompt on. */
function sinceOf(sample: BlockSample, names: readonly number[], use?: Partial<PromptUse>) {
  const { count, blocksSince } = sample.see(chainOf(names), useOf(use));
  return [...blocksSince.slice(0, count)].toReversed();
}

/** Three copies for a block that more than two prompts of 100 tokens had. */
function copiesOf(work: number): number {
  return work > 250 ? 3 : 1;
}

/** A cache that keeps what was used last, and looks a prompt up before it adds it. */
class PlainCache {
  #blocks: string[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  hits(names: readonly number[]): number {
    const keys = names.map((_, end) => names.slice(0, end + 1).join());
    const missing = keys.findIndex((key) => !this.#blocks.includes(key));
    const hits = missing === -1 ? keys.length : missing;
    this.#blocks = [...this.#blocks.filter((key) => !keys.includes(key)), ...keys.toReversed()];
    this.#blocks.splice(0, Math.max(0, this.#blocks.length - this.#max));
    return hits;
  }
}

const noLimit: BlockSampleOptions = { blocksMax: 1_000, usesPerSecondMax: 1e9 };
const prompts = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 40,
});

describe("a sample of all blocks", () => {
  it("counts the blocks since the last use", () => {
    const sample = new BlockSample(noLimit);
    expect(sinceOf(sample, [1, 2, 3])).toEqual([Infinity, Infinity, Infinity]);
    // The first block was used last, as the end of a prompt is evicted first.
    expect(sinceOf(sample, [1, 2, 3])).toEqual([0, 1, 2]);
    expect(sinceOf(sample, [9])).toEqual([Infinity]);
    expect(sinceOf(sample, [1, 2, 4])).toEqual([1, 2, Infinity]);
  });

  it("gives the hits of a cache of any size", () => {
    fc.assert(
      fc.property(prompts, fc.integer({ min: 1, max: 20 }), (all, size) => {
        const sample = new BlockSample(noLimit);
        const cache = new PlainCache(size);
        for (const names of all) {
          const held = sinceOf(sample, names).map((since) => since < size);
          const hits = cache.hits(names);
          expect(held).toEqual(names.map((_, block) => block < hits));
        }
      }),
    );
  });

  it("reaches no block that one cache of this size would not hold", () => {
    fc.assert(
      fc.property(prompts, fc.integer({ min: 1, max: 9 }), (all, copies) => {
        const sample = new BlockSample(noLimit);
        for (const names of all) {
          const use = useOf({ capacityBlocks: 8, copiesOf: () => copies });
          const { count, blocksSince, isReached } = sample.see(chainOf(names), use);
          const reached = [...blocksSince.slice(0, count)].filter((_, at) => isReached[at] === 1);
          expect(reached.filter((since) => since >= 8)).toEqual([]);
        }
      }),
    );
  });

  it("misses a block once for each copy, and copies take places", () => {
    const sample = new BlockSample(noLimit);
    const reached = (names: readonly number[], capacityBlocks = Infinity) => {
      const { isReached } = sample.see(chainOf(names), useOf({ capacityBlocks, copiesOf }));
      return isReached[0];
    };
    // Work of 100 each: the third use wants three copies.
    expect([1, 2, 3, 4, 5, 6].map(() => reached([1]))).toEqual([0, 1, 0, 0, 1, 1]);
    reached([7]);
    reached([1]);
    // Since then one block was used, which has three places.
    expect(reached([7], 4)).toBe(1);
    reached([8]);
    reached([1]);
    expect(reached([8], 3)).toBe(0);
  });

  it("forgets blocks that were not used for as long as it remembers", () => {
    const sample = new BlockSample({ ...noLimit, memoryMs: 1_000 });
    sinceOf(sample, [1, 2]);
    expect(sinceOf(sample, [1, 2], { nowMs: 999 })).toEqual([0, 1]);
    expect(sinceOf(sample, [1, 3], { nowMs: 1_998 })).toEqual([0, Infinity]);
    expect(sample.size).toBe(3);
    expect(sinceOf(sample, [1, 2], { nowMs: 3_000 })).toEqual([Infinity, Infinity]);
    expect(sample.size).toBe(2);
  });

  it("goes on when the places of the order are used up", () => {
    const sample = new BlockSample({ blocksMax: 8, usesPerSecondMax: 1e9 });
    for (let round = 0; round < 500; round += 1) {
      const expected = round === 0 ? [Infinity, Infinity, Infinity] : [0, 1, 2];
      expect(sinceOf(sample, [1, 2, 3])).toEqual(expected);
    }
  });
});

/** Requests of conversations that go on or start over, by a seed. */
function* conversations(seed: number, count: number): Generator<readonly number[]> {
  const random = seededRandom(seed);
  const open: number[][] = [];
  for (let request = 0; request < count; request += 1) {
    const at = Math.floor(random() * 60);
    const before = random() < 0.15 ? undefined : open[at];
    const start = before ?? [at % 5, 100 + (at % 5)];
    const next = [...start, ...Array.from({ length: 3 }, () => Math.floor(random() * 1e9))];
    open[at] = next.length > 40 ? [] : next;
    yield next;
  }
}

/** Shares of blocks that are new, and not held by a cache of this size. */
function missesOf(options: BlockSampleOptions, capacity: number) {
  const sample = new BlockSample(options);
  let [blocks, fresh, evicted] = [0, 0, 0];
  for (const names of conversations(7, 6_000)) {
    blocks += names.length;
    const { count, blocksSince, blocksEach } = sample.see(chainOf(names), useOf());
    for (const since of blocksSince.subarray(0, count)) {
      if (since === Infinity) fresh += blocksEach;
      if (since >= capacity) evicted += blocksEach;
    }
  }
  return { fresh: fresh / blocks, evicted: evicted / blocks, sample };
}

describe("a sample of some blocks", () => {
  it.each([
    { blocksMax: 4_096, within: 0.02 },
    { blocksMax: 1_024, within: 0.04 },
  ])("of $blocksMax estimates the shares of all", ({ blocksMax, within }) => {
    const all = missesOf({ blocksMax: 100_000, usesPerSecondMax: 1e9 }, 600);
    expect(all.sample.rate).toBe(1);
    const some = missesOf({ blocksMax, usesPerSecondMax: 1e9 }, 600);
    expect(some.sample.rate).toBeLessThan(0.5);
    expect(some.sample.size).toBeLessThanOrEqual(blocksMax);
    expect(Math.abs(some.fresh - all.fresh)).toBeLessThan(within);
    expect(Math.abs(some.evicted - all.evicted)).toBeLessThan(within);
    // Neither bound is trivial.
    expect(all.fresh).toBeGreaterThan(0.1);
    expect(all.evicted).toBeGreaterThan(all.fresh + 0.1);
  });

  it("takes fewer blocks if they are used too often", () => {
    const sample = new BlockSample({ blocksMax: 1_000, usesPerSecondMax: 100 });
    const names = Array.from({ length: 100 }, (_, at) => at);
    let uses = 0;
    for (let request = 0; request < 3_000; request += 1) {
      // 100 prompts a second for 30 s: 10,000 blocks a second.
      uses += sample.see(chainOf(names), useOf({ nowMs: request * 10 })).count;
    }
    expect(sample.rate).toBeLessThan(1 / 32);
    // The limit for 30 s, and as much again for each halving of the rate.
    expect(uses).toBeLessThan(3_000 + 1_000 * Math.log2(1 / sample.rate) + 1_000);
  });

  it("takes more blocks again when there is room, and counts them once it knows them as long as others", () => {
    const memoryMs = 100_000;
    const sample = new BlockSample({ blocksMax: 64, usesPerSecondMax: 1e9, memoryMs });
    for (let prompt = 0; prompt < 100; prompt += 1) {
      sinceOf(sample, [prompt, prompt, prompt, prompt]);
    }
    const { rate } = sample;
    expect(rate).toBeLessThan(0.5);
    sample.widen(10);
    // Full still.
    expect(sample.rate).toBe(rate);
    const quietMs = memoryMs + 1;
    const names = Array.from({ length: 40 }, (_, at) => at);
    sinceOf(sample, names, { nowMs: quietMs });
    sample.widen(quietMs);
    expect(sample.rate).toBe(rate);
    sinceOf(sample, names, { nowMs: quietMs + memoryMs / 2 });
    expect(sinceOf(sample, names, { nowMs: quietMs + memoryMs }).every(Number.isFinite)).toBe(true);
    expect(sample.rate).toBe(rate * 2);
  });

  it("needs memory that does not grow", () => {
    const sample = new BlockSample();
    const { memoryBytes } = sample;
    for (let prompt = 0; prompt < 30_000; prompt += 1) sinceOf(sample, [prompt, 1, 2, 3]);
    expect(sample.memoryBytes).toBe(memoryBytes);
    expect(sample.size).toBeLessThanOrEqual(16_384);
    expect(memoryBytes).toBeLessThan(2 * 2 ** 20);
  });
});
