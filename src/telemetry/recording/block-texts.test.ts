import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockTexts } from "./block-texts.ts";
import { KeyedHashes } from "./keyed-hashes.ts";
import { blockCharacters } from "./lines.ts";

/** The hashes of blocks that a text of the file has. */
function hashesIn(text: string): readonly string[] {
  return Array.from({ length: text.length / blockCharacters }, (_, index) =>
    text.slice(index * blockCharacters, (index + 1) * blockCharacters),
  );
}

const gap = "|";

/** The texts of chains that are written together. */
function textsOf(
  chains: readonly Uint32Array[],
  hashes: KeyedHashes,
  texts = new BlockTexts(1_000),
) {
  const lengths = chains.map(({ length }) => (length / 2) * blockCharacters);
  const bytes = Buffer.alloc(
    lengths.reduce((sum, length) => sum + length + gap.length, 0),
    gap,
  );
  let at = 0;
  for (const [index, chain] of chains.entries()) {
    texts.add(chain, at);
    at += (lengths[index] ?? 0) + gap.length;
  }
  while (texts.writeSome(bytes, hashes));
  texts.clear();
  return bytes.toString().split(gap).slice(0, -1);
}

const words = fc.array(fc.tuple(fc.nat(3), fc.nat(2 ** 32 - 1)), { maxLength: 20 });
const chains = words.map((pairs) => Uint32Array.from(pairs.flat()));

describe("texts of blocks", () => {
  it("are equal for equal blocks and differ for others", () => {
    const hashes = new KeyedHashes();
    fc.assert(
      fc.property(chains, chains, (one, other) => {
        const [hashesOfOne, hashesOfOther] = textsOf([one, other], hashes).map(hashesIn);
        expect(hashesOfOne).toHaveLength(one.length / 2);
        for (const [a, hashOfOne] of hashesOfOne?.entries() ?? []) {
          expect(hashOfOne).toMatch(/^[\w-]{8}$/);
          for (const [b, hashOfOther] of hashesOfOther?.entries() ?? []) {
            const isEqual = one[2 * a] === other[2 * b] && one[2 * a + 1] === other[2 * b + 1];
            expect(hashOfOne === hashOfOther).toBe(isEqual);
          }
        }
      }),
    );
  });

  it("are the same for any prompts beside and before them", () => {
    const hashes = new KeyedHashes();
    const used = new BlockTexts(1_000);
    fc.assert(
      fc.property(fc.array(chains), (all) => {
        const alone = all.flatMap((chain) => textsOf([chain], hashes));
        expect(textsOf(all, hashes, used)).toEqual(alone);
      }),
    );
  });

  it("are the same for more blocks than are written at a time", () => {
    const hashes = new KeyedHashes();
    const long = [10_000, 0, 3, 90_000, 1].map((blocks) =>
      Uint32Array.from({ length: 2 * blocks }, (_, index) => index),
    );
    const texts = textsOf(long, hashes);
    const [longest = ""] = texts.toSorted((a, b) => b.length - a.length);
    expect(texts.map(({ length }) => length)).toEqual(long.map(({ length }) => length * 4));
    for (const text of texts) expect(longest.startsWith(text)).toBe(true);
    expect(new Set(hashesIn(longest)).size).toBe(90_000);
  });

  it("begin with AES-128 of the block, in base64url", () => {
    const hashes = new KeyedHashes();
    const chain = Uint32Array.of(0xff_ee_dd_cc, 1);
    const encrypted = Buffer.from(hashes.encrypted(chain));
    expect(textsOf([chain], hashes)).toEqual([encrypted.toString("base64url", 0, 6)]);
  });

  it("are others in another recording", () => {
    const chain = Uint32Array.from({ length: 200 }, (_, index) => index);
    const ones = textsOf([chain], new KeyedHashes()).flatMap(hashesIn);
    const others = new Set(textsOf([chain], new KeyedHashes()).flatMap(hashesIn));
    expect(ones.filter((hash) => others.has(hash))).toEqual([]);
  });
});
