import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteCarry } from "./byte-carry.ts";

describe("ByteCarry", () => {
  it("collects appended bytes up to its limit, in no more memory than that", () => {
    // Long enough to outgrow the initial buffer several times.
    const anyPiece = fc
      .tuple(fc.nat(400), fc.nat(255))
      .map(([size, byte]) => Buffer.alloc(size, byte));
    const pieces = fc.array(anyPiece, { maxLength: 20, size: "max" });
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 6_000 }), (appended, bytesMax) => {
        const carry = new ByteCarry(bytesMax);
        for (const piece of appended) carry.append(piece, 0, piece.byteLength);
        expect(carry.bytes).toEqual(Buffer.concat(appended).subarray(0, bytesMax));
        expect(carry.capacityBytes).toBeLessThanOrEqual(bytesMax);
      }),
    );
  });

  it("takes the range it is given", () => {
    const carry = new ByteCarry(10);
    carry.append(Buffer.from("abcdef"), 2, 4);
    expect(carry.bytes.toString()).toBe("cd");
  });

  it("is empty when cleared, and releases a large buffer", () => {
    const carry = new ByteCarry(1_000_000);
    carry.append(Buffer.alloc(100_000), 0, 100_000);
    carry.clear();
    expect([carry.length, carry.capacityBytes]).toEqual([0, 0]);
    carry.append(Buffer.from("a"), 0, 1);
    expect(carry.bytes.toString()).toBe("a");
  });
});
