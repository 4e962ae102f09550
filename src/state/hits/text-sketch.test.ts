import { describe, expect, it } from "vitest";
import { seededRandom } from "../../std/random.ts";
import { commonShare, sketchOf, type TextSketch } from "./text-sketch.ts";

/** Words that a seed makes. */
function wordsOf(seed: number, count: number): string {
  const random = seededRandom(seed);
  const word = () => Math.floor(random() * 36 ** 5).toString(36);
  return Array.from({ length: count }, word).join(" ");
}

function sketch(text: string): TextSketch {
  const made = sketchOf([{ kind: "text", text }]);
  if (made === undefined) throw new Error("the text is long enough");
  return made;
}

describe("the sketch of a text", () => {
  it("finds equal text at another place", () => {
    const text = wordsOf(1, 1_000);
    const [one, other] = [
      sketch(`It is 10:03. ${text}`),
      sketch(`Now it is half past ten. ${text}`),
    ];
    expect(commonShare(one, other)).toBeGreaterThan(0.95);
    expect(commonShare(one, one)).toBe(1);
  });

  it("finds nothing in texts that share nothing", () => {
    expect(commonShare(sketch(wordsOf(1, 1_000)), sketch(wordsOf(2, 1_000)))).toBeLessThan(0.05);
  });

  it("tells about the share that is common", () => {
    const shared = wordsOf(3, 600);
    const one = sketch(`${wordsOf(4, 600)} ${shared}`);
    const other = sketch(`${shared} ${wordsOf(5, 600)}`);
    // Of 8,192 characters that are looked at, the first text has shared ones in the second half.
    expect(commonShare(one, other)).toBeGreaterThan(0.35);
    expect(commonShare(one, other)).toBeLessThan(0.75);
  });

  it("needs no spaces", () => {
    const text = Array.from({ length: 4_000 }, (_, at) =>
      String.fromCharCode(0x4e00 + ((at * at * 31 + at) % 4_000)),
    ).join("");
    expect(commonShare(sketch(`今天${text}`), sketch(text))).toBeGreaterThan(0.9);
  });

  it("is missing for a short text, for one that repeats, and for token ids", () => {
    expect(sketchOf([{ kind: "text", text: "Say hello." }])).toBeUndefined();
    expect(sketchOf([{ kind: "text", text: "ab ".repeat(5_000) }])).toBeUndefined();
    expect(sketchOf([{ kind: "tokens", tokenIds: [1, 2, 3] }])).toBeUndefined();
  });
});
