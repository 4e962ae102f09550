import { describe, expect, it } from "vitest";
import { ConversationTree } from "./conversation-tree.ts";
import { KeyedHash } from "./keyed-hash.ts";

const chat = (...texts: readonly string[]) => ({ texts, hasOpening: true });
const plain = (...texts: readonly string[]) => ({ texts, hasOpening: false });

function aTree(placesMax?: number) {
  const tree = new ConversationTree(new KeyedHash("secret"), placesMax);
  return {
    tree,
    idOf: (steps: ReturnType<typeof chat>, nowMs = 0) => tree.idOf({ scope: "s", steps, nowMs }),
  };
}

/** Number of ids of 100 requests that share an opening and go on in different ways, one every so often. */
function idsOf(everyMs: number): number {
  const { idOf } = aTree();
  const ids = Array.from({ length: 100 }, (_, index) =>
    idOf(chat("opening", `${index}`), index * everyMs),
  );
  return new Set(ids).size;
}

describe("the tree of conversations", () => {
  it("holds at most the maximum of places, and counts those that it drops", () => {
    const { tree, idOf } = aTree(10);
    for (let index = 0; index < 30; index += 1) idOf(chat(`opening ${index}`, "a"));
    // 60 places were added.
    expect([tree.size, tree.droppedCount]).toEqual([10, 50]);
  });

  it("gives a conversation the same id after its places were dropped", () => {
    const { idOf } = aTree(10);
    const id = idOf(chat("opening"));
    for (let index = 0; index < 30; index += 1) idOf(chat(`opening ${index}`));
    expect(idOf(chat("opening", "a", "b"))).toBe(id);
  });

  it("gives a conversation the same id after an hour without use", () => {
    const { tree, idOf } = aTree();
    const id = idOf(chat("opening", "a"));
    expect(idOf(chat("opening", "a", "b"), 3_700_000)).toBe(id);
    expect(tree.size).toBe(3);
  });

  it("forgets branches: the count halves every minute", () => {
    // The count settles at 1 / (1 - 2^(-8/60)) = 11.3, and at 29.4 for every 3 s, which is above 16.
    expect(idsOf(8_000)).toBe(1);
    expect(idsOf(3_000)).toBeGreaterThan(50);
  });

  it("adds at most 8 places for one prompt", () => {
    const { tree, idOf } = aTree();
    const texts = Array.from({ length: 16 }, (_, index) => `slice ${index}`);
    idOf(plain(...texts));
    expect(tree.size).toBe(8);
    idOf(plain(...texts));
    expect(tree.size).toBe(16);
  });

  it("separates prompts without an opening at each fork, and the first way keeps the id", () => {
    const { idOf } = aTree();
    const id = idOf(plain("common", "a"));
    const other = idOf(plain("common", "b"));
    expect(other).not.toBe(id);
    expect(idOf(plain("common", "a", "c"))).toBe(id);
    expect(idOf(plain("common", "b", "d"))).toBe(other);
  });

  it("knows no conversation without steps", () => {
    expect(aTree().idOf(chat())).toBeUndefined();
  });
});

describe("a keyed hash", () => {
  it("differs by the secret and by the borders between texts", () => {
    const hashes = [
      new KeyedHash("a").of("bc", "d"),
      new KeyedHash("a").of("b", "cd"),
      new KeyedHash("a").of("bcd"),
      new KeyedHash("b").of("bc", "d"),
      new KeyedHash("a").of("bc", "d", ""),
    ];
    expect(new Set(hashes).size).toBe(5);
    expect(hashes[0]).toBe(new KeyedHash("a").of("bc", "d"));
  });
});
