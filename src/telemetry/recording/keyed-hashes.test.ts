import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyedHashes } from "./keyed-hashes.ts";
import { blockCharacters } from "./lines.ts";

/** The hashes of blocks that a text of the file has. */
function hashesIn(text: string): readonly string[] {
  return Array.from({ length: text.length / blockCharacters }, (_, index) =>
    text.slice(index * blockCharacters, (index + 1) * blockCharacters),
  );
}

const words = fc.array(fc.tuple(fc.nat(3), fc.nat(2 ** 32 - 1)), { maxLength: 20 });
const chains = words.map((pairs) => Uint32Array.from(pairs.flat()));

describe("hashes of blocks", () => {
  it("are equal for equal blocks and differ for others", () => {
    const hashes = new KeyedHashes();
    fc.assert(
      fc.property(chains, chains, (one, other) => {
        const [hashesOfOne, hashesOfOther] = hashes.blocks([one, other]).map(hashesIn);
        expect(hashesOfOne).toHaveLength(one.length / 2);
        for (const [a, hashOfOne] of hashesOfOne?.entries() ?? []) {
          for (const [b, hashOfOther] of hashesOfOther?.entries() ?? []) {
            const isEqual = one[2 * a] === other[2 * b] && one[2 * a + 1] === other[2 * b + 1];
            expect(hashOfOne === hashOfOther).toBe(isEqual);
          }
        }
      }),
    );
  });

  it("are the same for any prompts beside them", () => {
    const hashes = new KeyedHashes();
    fc.assert(
      fc.property(fc.array(chains), (all) => {
        expect(hashes.blocks(all)).toEqual(all.flatMap((chain) => hashes.blocks([chain])));
      }),
    );
  });

  it("are others in another recording", () => {
    const chain = Uint32Array.from({ length: 200 }, (_, index) => index);
    const ones = new KeyedHashes().blocks([chain]).flatMap(hashesIn);
    const others = new Set(new KeyedHashes().blocks([chain]).flatMap(hashesIn));
    expect(ones.filter((hash) => others.has(hash))).toEqual([]);
  });
});

describe("hashes of names", () => {
  it("are equal for equal names, also after more names than are kept", () => {
    const hashes = new KeyedHashes();
    const before = ["team-a", "team-b", "x".repeat(10_000)].map((name) => hashes.name(name));
    for (let index = 0; index < 1_500; index += 1) hashes.name(`tenant-${index}`);
    expect(["team-a", "team-b", "x".repeat(10_000)].map((name) => hashes.name(name))).toEqual(
      before,
    );
    expect(new Set(before).size).toBe(3);
  });

  it("are others in another recording", () => {
    expect(new KeyedHashes().name("team-a")).not.toBe(new KeyedHashes().name("team-a"));
  });
});
