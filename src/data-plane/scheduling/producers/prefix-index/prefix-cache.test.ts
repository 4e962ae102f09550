import { describe, expect, it } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { PrefixCache, prefixCacheMemory } from "./prefix-cache.ts";

/** A prompt with this number of blocks of 64 tokens. */
const text = (blocks: number) =>
  Array.from({ length: blocks }, (_, block) => `${block} `.padEnd(256, "x")).join("");

const queryOf = (blocks: number, blockTokensOf: (slot: number) => number = () => 64) => ({
  prompts: [[{ kind: "text", text: text(blocks) } as const]],
  model: "m",
  cacheSalt: "",
  promptTokensMax: 0,
  candidates: endpoints(3),
  blockTokensOf,
  nowMs: 60_000,
});

/** Slot 1 has blocks of 128 tokens, the others of 64. */
const mixed = (slot: number) => (slot === 1 ? 128 : 64);

function picture(reference: string) {
  return {
    ...queryOf(1),
    prompts: [[{ kind: "media", mediaType: "image", reference } as const]],
  };
}

function tokens(...tokenIds: number[]) {
  return { ...queryOf(1), prompts: [[{ kind: "tokens", tokenIds } as const]] };
}

describe("the prefix cache", () => {
  it("finds a prompt again, for the endpoint it was sent to", () => {
    const cache = new PrefixCache();
    cache.lookUp(queryOf(4)).add(1, 100);
    const found = cache.lookUp(queryOf(5));
    expect([0, 1, 2].map((slot) => found.matchedBlocks(slot))).toEqual([0, 4, 0]);
    expect([found.totalBlocks(0), found.blockTokens(0)]).toEqual([5, 64]);
  });

  it("can add a prompt after another lookup", () => {
    const cache = new PrefixCache();
    const first = cache.lookUp(queryOf(4));
    cache.lookUp(queryOf(1));
    first.add(2, 100);
    expect(cache.lookUp(queryOf(4)).matchedBlocks(2)).toBe(4);
  });

  it("has an index for each block size, without matches between them", () => {
    const cache = new PrefixCache();
    const look = cache.lookUp(queryOf(4, mixed));
    look.add(0, 100);
    look.add(1, 100);
    const found = cache.lookUp(queryOf(4, mixed));
    expect([0, 1, 2].map((slot) => found.matchedBlocks(slot))).toEqual([4, 2, 0]);
    expect([0, 1, 2].map((slot) => found.totalBlocks(slot))).toEqual([4, 2, 4]);
    expect(cache.entryCount).toBe(6);
  });

  it("adds nothing for a block size that no candidate had", () => {
    const cache = new PrefixCache();
    let size = 64;
    const look = cache.lookUp(queryOf(4, () => size));
    size = 32;
    look.add(0, 100).takeBack();
    expect(cache.entryCount).toBe(0);
  });

  it("drops an endpoint's blocks of another size", () => {
    const cache = new PrefixCache();
    cache.lookUp(queryOf(4)).add(0, 100);
    cache.lookUp(queryOf(4, () => 128)).add(0, 100);
    expect(cache.entryCount).toBe(2);
  });

  it("keeps to its bound over all block sizes", () => {
    const cache = new PrefixCache({ entriesMax: 5 });
    const look = cache.lookUp(queryOf(8, mixed));
    look.add(0, 100);
    look.add(1, 100);
    expect(cache.entryCount).toBe(5);
  });

  it("takes no memory for a size under which nothing was added", () => {
    const cache = new PrefixCache();
    cache.lookUp(queryOf(4));
    expect(cache.memoryBytes).toBe(0);
  });

  it("finds a prompt that is added after the last entry of its size was dropped", () => {
    const cache = new PrefixCache();
    cache.lookUp(queryOf(4)).add(0, 100);
    const look = cache.lookUp(queryOf(4));
    cache.forget(0);
    look.add(1, 100);
    expect(cache.lookUp(queryOf(4)).matchedBlocks(1)).toBe(4);
  });

  it("keeps the prompts that a restarted engine got before its restart was known", () => {
    const cache = new PrefixCache();
    cache.lookUp({ ...queryOf(4), nowMs: 1_000 }).add(0, 100);
    cache.lookUp({ ...queryOf(4), nowMs: 1_000 }).add(1, 100);
    cache.lookUp({ ...queryOf(4), nowMs: 9_000 }).add(0, 100);
    for (const slot of [0, 1]) {
      prefixCacheMemory.restart?.(cache, anEndpoint({ slot }), 8_000);
    }
    const look = cache.lookUp(queryOf(4));
    expect([look.matchedBlocks(0), look.matchedBlocks(1)]).toEqual([4, 0]);
  });

  it("forgets an endpoint at every block size, and drops unused sizes", () => {
    const cache = new PrefixCache();
    const look = cache.lookUp(queryOf(4, mixed));
    look.add(0, 100);
    look.add(1, 100);
    expect(cache.entryCount).toBe(6);
    const used = cache.memoryBytes;
    cache.forget(0);
    expect(cache.entryCount).toBe(2);
    cache.forget(1);
    expect(cache.entryCount).toBe(0);
    expect(cache.memoryBytes).toBeLessThan(used);
  });

  it("finds nothing in a request without prompts", () => {
    const found = new PrefixCache().lookUp({ ...queryOf(1), prompts: [] });
    expect([found.totalBlocks(0), found.matchedBlocks(0)]).toEqual([0, 0]);
  });

  it("hashes a picture by its reference, and token ids unchanged", () => {
    const cache = new PrefixCache();
    cache.lookUp(picture("http://x/a.png")).add(0, 100);
    // 225 tokens are 4 blocks of 64.
    expect(cache.lookUp(picture("http://x/a.png")).matchedBlocks(0)).toBe(4);
    expect(cache.lookUp(picture("http://x/b.png")).matchedBlocks(0)).toBe(0);
    cache.lookUp(tokens(1, 2, 3)).add(1, 100);
    expect(cache.lookUp(tokens(1, 2, 3)).matchedBlocks(1)).toBe(1);
    expect(cache.lookUp(tokens(1, 2, 4)).matchedBlocks(1)).toBe(0);
  });
});
