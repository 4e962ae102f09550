import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pieceBytesMax, piecesOf } from "./body-pieces.ts";

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
