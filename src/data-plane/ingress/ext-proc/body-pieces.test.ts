import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pieceBytesMax, piecesOf, withoutSmall } from "./body-pieces.ts";

describe("body pieces", () => {
  it("join to the body, none is too long, and only the last one ends it", () => {
    fc.assert(
      fc.property(fc.nat(4 * pieceBytesMax), fc.boolean(), (length, endOfStream) => {
        const body = Buffer.alloc(length, 7);
        const pieces = piecesOf(body, endOfStream);
        expect(Buffer.concat(pieces.map((piece) => piece.body)).equals(body)).toBe(true);
        expect(Math.max(...pieces.map((piece) => piece.body.length))).toBeLessThanOrEqual(62_000);
        expect(pieces.slice(0, -1).some((piece) => piece.endOfStream)).toBe(false);
        expect(pieces.at(-1)?.endOfStream).toBe(endOfStream);
        expect(pieces).toHaveLength(Math.max(1, Math.ceil(length / pieceBytesMax)));
      }),
    );
  });

  it("share the memory of the body", () => {
    const body = Buffer.alloc(pieceBytesMax * 2);
    expect(piecesOf(body, true).every((piece) => piece.body.buffer === body.buffer)).toBe(true);
  });
});

const chunk = (bytes: number) => Buffer.alloc(bytes, bytes % 251);

describe("held chunks", () => {
  it.each([
    [[], []],
    [[0], [0]],
    [[0, 0], [0]],
    [[5], [5]],
    [[16_384, 0], [16_384]],
    [[100, 200, 300], [600]],
    [
      [8_193, 8_192, 8_192, 70_000, 1],
      [8_193, 16_384, 70_000, 1],
    ],
    // Seven chunks of 8,192 bytes fit into 62,000, the eighth does not.
    [Array.from({ length: 9 }, () => 8_192), [57_344, 16_384]],
  ])("of %j bytes go on as %j", (before, after) => {
    expect(withoutSmall(before.map(chunk)).map(({ length }) => length)).toEqual(after);
  });

  it("keep their bytes, and larger ones their memory", () => {
    const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(20_000)), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, (bytes) => {
        const chunks = bytes.map(chunk);
        const passed = withoutSmall(chunks);
        expect(Buffer.concat(passed).equals(Buffer.concat(chunks))).toBe(true);
        const large = chunks.filter(({ length }) => length > 8_192);
        expect(large.every((each) => passed.includes(each))).toBe(true);
      }),
    );
  });
});
