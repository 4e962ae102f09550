import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutAt } from "#test/support/cuts.ts";
import { BytePieces } from "./byte-pieces.ts";

const piecesOf = (pieces: readonly Uint8Array[]) =>
  new BytePieces(
    pieces,
    pieces.reduce((sum, { length }) => sum + length, 0),
  );

describe("BytePieces", () => {
  it("is the same text and the same bytes for any cuts, also within characters and in bytes that are not UTF-8", () => {
    const bytes = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
      fc.uint8Array().map((array) => Buffer.from(array)),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(40)), (body, cuts) => {
        const pieces = piecesOf(cutAt(body, cuts));
        expect(pieces.text()).toBe(body.toString());
        expect(Buffer.from(pieces.whole)).toEqual(body);
        expect(pieces.text()).toBe(body.toString());
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps texts apart that are decoded one after another", () => {
    const one = piecesOf([Buffer.from("a".repeat(1_000)), Buffer.from("b")]);
    const other = piecesOf([Buffer.from("c"), Buffer.from("d")]);
    const text = one.text();
    expect([other.text(), text, one.text()]).toEqual(["cd", `${"a".repeat(1_000)}b`, text]);
  });

  it("joins only what is asked for as one", () => {
    const piece = Buffer.from("only");
    expect(piecesOf([piece]).whole).toBe(piece);
    const pieces = piecesOf([piece, Buffer.from("more")]);
    expect(pieces.whole).toBe(pieces.whole);
    expect(piecesOf([]).text()).toBe("");
  });

  it("decodes 5 MiB, which is more than its scratch memory", () => {
    const half = Buffer.alloc(2_621_440, "é");
    expect(piecesOf([half, half]).text()).toBe("é".repeat(2_621_440));
  });
});
