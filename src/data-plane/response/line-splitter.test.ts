import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

/** The lines of a text, cut into chunks after each of `cuts`. */
function linesOf(text: string, cuts: readonly number[] = [], lineBytesMax = 1_000): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(lineBytesMax, (bytes, start, end) => {
    lines.push(bytes.toString("latin1", start, end));
  });
  const bytes = Buffer.from(text, "latin1");
  let start = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.byteLength]) {
    splitter.push(bytes.subarray(start, cut));
    start = Math.max(start, cut);
  }
  splitter.end();
  return lines;
}

describe("LineSplitter", () => {
  it.each([
    ["", []],
    ["\n", [""]],
    ["a\nb\n", ["a", "b"]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["a\rb\r", ["a", "b"]],
    ["a\n\rb", ["a", "", "b"]],
    ["a\r\r\n\nb", ["a", "", "", "b"]],
    ["no end", ["no end"]],
  ])("splits %j", (text, lines) => {
    expect(linesOf(text)).toEqual(lines);
  });

  it("gives the same lines for any chunks", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\r", "\n"), maxLength: 30 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(30), { maxLength: 8 }), (whole, cuts) => {
        const lines = whole.split(/\r\n|\r|\n/u);
        // After the last line end there is no line, not an empty one.
        if (lines.at(-1) === "") lines.pop();
        expect(linesOf(whole, cuts)).toEqual(lines);
      }),
      { numRuns: 2_000 },
    );
  });

  it("collects one byte more than the limit of a line that spans chunks", () => {
    expect(linesOf("abcdefgh\nij\n", [3, 6], 4)).toEqual(["abcde", "ij"]);
  });
});
