import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashNumber, hashSeed, hashText } from "./text-hash.ts";

const inside = (mark: string) => `${"-".repeat(500)}${mark}${"-".repeat(500)}`;

describe("the hash of a text", () => {
  it("is FNV-1a of its length and its characters", () => {
    // The published value of the byte "a".
    expect(hashNumber(hashSeed, "a".charCodeAt(0))).toBe(0xe40c292c);
    expect(hashText(hashSeed, "a")).toBe(hashNumber(hashNumber(hashSeed, 1), 97));
  });

  it("tells texts apart by length and by either end of 64 characters", () => {
    const middle = "-".repeat(1_000);
    const texts = ["", "a", "aa", `a${middle}`, `${middle}a`, `${middle}--a`, middle];
    expect(new Set(texts.map((text) => hashText(hashSeed, text))).size).toBe(texts.length);
    expect(hashText(hashSeed, inside("a"))).toBe(hashText(hashSeed, inside("b")));
  });

  it("is an unsigned 32-bit integer", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000 }), fc.nat(), (text, seed) => {
        const hash = hashText(seed, text);
        expect(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32).toBe(true);
      }),
    );
  });
});
