import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockChainHasher } from "./block-chain.ts";

const hasher = new BlockChainHasher();
const zero = { low: 0, high: 0 };

const half = (word = 0) => word.toString(16).padStart(8, "0");

/** The hash of a whole text in hexadecimal, as other programs print it. */
function xxh64(text: string, seed = zero): string {
  hasher.begin(262_144, Infinity, seed);
  hasher.addText(text);
  const chain = hasher.end();
  return `${half(chain.at(-1))}${half(chain.at(-2))}`;
}

/** The words of the chain over `texts`, in one or several pieces. */
function chainOf(texts: readonly string[], blockBytes: number, blocksMax = Infinity): number[] {
  hasher.begin(blockBytes, blocksMax, zero);
  for (const text of texts) hasher.addText(text);
  return [...hasher.end()];
}

describe("a block's hash", () => {
  // The vectors of the reference implementation and, for the longer ones, of Python's xxhash.
  it.each([
    { text: "a", hash: "d24ec4f1a98c6e5b" },
    { text: "abc", hash: "44bc2cf5ad770999" },
    { text: "as", hash: "1c330fb2d66be179" },
    { text: "asdf", hash: "415872f599cea71e" },
    {
      text: "Call me Ishmael. Some years ago--never mind how long precisely-",
      hash: "02a2e85470d6fd96",
    },
  ])("of $text is $hash", ({ text, hash }) => {
    expect(xxh64(text)).toBe(hash);
  });

  it("depends on the seed", () => {
    expect(xxh64("abc", { low: 1, high: 0 })).not.toBe(xxh64("abc"));
    expect(xxh64("abc", { low: 0, high: 1 })).not.toBe(xxh64("abc"));
  });
});

describe("a chain", () => {
  const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 80 }), { maxLength: 6 });
  const blockBytes = fc.integer({ min: 1, max: 40 });

  it("has a block for each `blockBytes` bytes, the last of which may be shorter", () => {
    fc.assert(
      fc.property(texts, blockBytes, (pieces, bytes) => {
        const length = Buffer.byteLength(pieces.join(""));
        expect(chainOf(pieces, bytes)).toHaveLength(Math.ceil(length / bytes) * 2);
      }),
    );
  });

  it("is the same for any pieces of the text", () => {
    fc.assert(
      fc.property(texts, blockBytes, (pieces, bytes) => {
        expect(chainOf(pieces, bytes)).toEqual(chainOf([pieces.join("")], bytes));
      }),
    );
  });

  it("has equal blocks up to the first difference of two texts, and different ones from there", () => {
    const [first, second] = ["a".repeat(100), `${"a".repeat(50)}b${"a".repeat(49)}`];
    const [one, other] = [chainOf([first], 16), chainOf([second], 16)];
    // Byte 50 is in block 3.
    expect(other.slice(0, 6)).toEqual(one.slice(0, 6));
    for (let word = 6; word < one.length; word += 1) expect(other[word]).not.toBe(one[word]);
  });

  it("ends after the maximum number of blocks", () => {
    const text = "x".repeat(1_000);
    expect(chainOf([text], 16, 3)).toEqual(chainOf([text], 16).slice(0, 6));
    expect(chainOf([text], 16, 0)).toEqual([]);
  });

  it("has the same blocks up to its maximum, wherever that cuts the text", () => {
    fc.assert(
      fc.property(texts, blockBytes, fc.nat(20), (pieces, bytes, blocksMax) => {
        const whole = chainOf(pieces, bytes);
        expect(chainOf(pieces, bytes, blocksMax)).toEqual(whole.slice(0, 2 * blocksMax));
      }),
    );
    // The last byte of the only block is the first one of a pair of units.
    expect(chainOf(["abc😀"], 4, 1)).toEqual(chainOf(["abc😀"], 4).slice(0, 2));
  });

  it("continues beyond the window's end, also within a character", () => {
    // 3 MiB of characters of three bytes, and one byte before them.
    const text = `x${"€".repeat(2 ** 20)}`;
    const parts = [text.slice(0, 700_001), text.slice(700_001)];
    expect(chainOf(parts, 256)).toEqual(chainOf([text], 256));
    const blocks = Math.ceil((3 * 2 ** 20 + 1) / 256);
    expect(chainOf([text], 256)).toHaveLength(blocks * 2);
    // The same bytes in smaller steps, so that the window is cut elsewhere.
    expect(chainOf(text.match(/[^]{1,65536}/g) ?? [], 256)).toEqual(chainOf([text], 256));
  });

  it("takes numbers as four bytes, and pads to the beginning of a token", () => {
    hasher.begin(8, Infinity, zero);
    hasher.addText("abc");
    hasher.align();
    hasher.addNumbers([0x64636261, 1]);
    const chain = [...hasher.end()];
    expect(chain).toEqual(chainOf(["abc\0abcd\u0001\0\0\0"], 8));
  });
});
