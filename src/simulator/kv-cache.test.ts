import { describe, expect, it } from "vitest";
import { KvCache } from "./kv-cache.ts";

/** Takes `hashes.length` new blocks, publishes and releases them. */
function fill(cache: KvCache, hashes: readonly string[]): void {
  const blocks: number[] = [];
  for (const hash of hashes) {
    expect(cache.extend(blocks)).toBe(true);
    cache.publish(blocks.at(-1) ?? -1, hash);
  }
  cache.release(blocks);
}

describe("KvCache", () => {
  it("keeps released blocks hittable and free at once", () => {
    const cache = new KvCache(4);
    fill(cache, ["a", "b"]);
    expect(cache.freeBlocks).toBe(4);
    expect(cache.match(["a", "b", "c"], 9)).toEqual({ blocks: 2, idleBlocks: 2 });
  });

  it("matches only the contiguous start of a prompt", () => {
    const cache = new KvCache(4);
    fill(cache, ["a", "c"]);
    expect(cache.match(["a", "b", "c"], 9).blocks).toBe(1);
    expect(cache.match(["x", "a"], 9).blocks).toBe(0);
    expect(cache.match(["a", "c"], 1).blocks).toBe(1);
  });

  it("evicts the least recently used prefix first, its end before its start", () => {
    const cache = new KvCache(4);
    fill(cache, ["a1", "a2"]);
    fill(cache, ["b1", "b2"]);
    cache.release(cache.share(["a1", "a2"], 2));
    const blocks: number[] = [];
    // Used last to first: a2, a1 just now, so b2 goes first, then b1, then a2.
    cache.extend(blocks);
    expect(cache.match(["b1", "b2"], 9).blocks).toBe(1);
    cache.extend(blocks);
    expect(cache.match(["b1", "b2"], 9).blocks).toBe(0);
    cache.extend(blocks);
    expect(cache.match(["a1", "a2"], 9).blocks).toBe(1);
  });

  it("takes blocks without content before it evicts cached ones", () => {
    const cache = new KvCache(3);
    fill(cache, ["a"]);
    const blocks: number[] = [];
    cache.extend(blocks);
    cache.release(blocks);
    cache.extend([]);
    cache.extend([]);
    expect(cache.match(["a"], 9).blocks).toBe(1);
  });

  it("never evicts a referenced block", () => {
    const cache = new KvCache(2);
    fill(cache, ["a"]);
    cache.share(["a"], 1);
    cache.share(["a"], 1);
    expect(cache.extend([])).toBe(true);
    expect(cache.extend([])).toBe(false);
    expect(cache.match(["a"], 9)).toEqual({ blocks: 1, idleBlocks: 0 });
  });

  it("keeps the first of two blocks with the same content", () => {
    const cache = new KvCache(2);
    const first: number[] = [];
    const second: number[] = [];
    cache.extend(first);
    cache.extend(second);
    cache.publish(first[0] ?? -1, "a");
    cache.publish(second[0] ?? -1, "a");
    expect(cache.share(["a"], 1)).toEqual(first);
  });

  it("takes all blocks that are asked for, or none", () => {
    const cache = new KvCache(3);
    const blocks: number[] = [];
    expect(cache.extend(blocks, 4)).toBe(false);
    expect([blocks, cache.freeBlocks]).toEqual([[], 3]);
    expect(cache.extend(blocks, 2)).toBe(true);
    expect([blocks.length, cache.freeBlocks]).toEqual([2, 1]);
  });

  it("lets a new block with the content of an unused one take its place", () => {
    const cache = new KvCache(3);
    fill(cache, ["a", "b"]);
    const blocks: number[] = [];
    cache.extend(blocks);
    cache.publish(blocks[0] ?? -1, "a");
    cache.release(blocks);
    // b was used before the new a: it goes first, after the old a, which has no content any more.
    const taken: number[] = [];
    cache.extend(taken, 2);
    expect(cache.match(["a"], 9).blocks).toBe(1);
    expect(cache.match(["b"], 9).blocks).toBe(0);
  });
});
