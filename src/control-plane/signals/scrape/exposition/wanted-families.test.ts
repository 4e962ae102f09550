import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPlainly } from "#test/support/exposition-oracle.ts";
import { PrometheusTextParser } from "./prometheus-text.ts";
import { WantedFamilies } from "./wanted-families.ts";

/**
 * Two letters, so that names begin alike, end alike, contain each other and share pairs of bytes.
 */
const letters = fc.constantFrom("a", "b");
const name = fc.string({ unit: letters, minLength: 6, maxLength: 10 });
const names = fc.array(name, { minLength: 1, maxLength: 4 });
/** Lines of names, of their beginnings and ends, and of noise. */
const pageOf = (wanted: readonly string[]) => {
  const one = fc.constantFrom(...wanted);
  const part = fc.tuple(one, fc.integer({ min: -6, max: 6 })).map(([all, at]) => all.slice(at));
  const noise = fc.string({ unit: letters, maxLength: 12 });
  const start = fc.oneof(
    one,
    part,
    noise,
    fc.tuple(noise, one).map((parts) => parts.join("")),
  );
  const line = fc
    .tuple(start, fc.constantFrom(" 1", "{} 2", "a 3", ""))
    .map((parts) => parts.join(""));
  return fc.array(line, { maxLength: 12 }).map((lines) => lines.join("\n"));
};
const wantedAndPage = names.chain((wanted) => fc.tuple(fc.constant(wanted), pageOf(wanted)));

/** Positions at which the search finds a wanted line. */
function startsIn(wanted: WantedFamilies, page: string): number[] {
  const bytes = Buffer.from(page);
  const found: number[] = [];
  let start = wanted.nextLikely(bytes, 0, bytes.length);
  while (start !== -1) {
    const end = bytes.indexOf("\n", start);
    if (wanted.indexAt(bytes, start, end) !== -1) found.push(start);
    start = wanted.nextLikely(bytes, end + 1, bytes.length);
  }
  return found;
}

describe("the search for wanted lines", () => {
  it.each([
    ["a short name, in any line", ["up"], "a 1\nup 1\n up 1\nup_a 1\nup{} 1\n", [4, 22]],
    ["lines one after another", ["some_name"], "some_name 1\nsome_name 2\n", [0, 12]],
    ["a line after ones shorter than a name", ["some_name"], "\n\na\nsome_name 1\n\n", [4]],
    [
      "a name within a longer one",
      ["some_name", "some_name_a"],
      "some_name_b 1\nsome_name 2\n",
      [14],
    ],
    [
      "a name that ends another",
      ["a_some_name", "some_name"],
      "b_some_name 1\nsome_name 1\n",
      [14],
    ],
    [
      "a name in no middle of a line",
      ["some_name"],
      "# some_name 1\n some_name 1\nsome_name 1\n",
      [27],
    ],
    ["a name of more bytes than a step", ["x".repeat(300)], `y\n${"x".repeat(300)} 1\n`, [2]],
  ] as const)("finds %s", (...[, wanted, page, starts]) => {
    expect(startsIn(new WantedFamilies(wanted), page)).toEqual(starts);
  });

  it("finds nothing if nothing is wanted", () => {
    expect(startsIn(new WantedFamilies([]), "up 1\n")).toEqual([]);
  });

  it("misses no line, whatever the names and the text are", () => {
    fc.assert(
      fc.property(wantedAndPage, ([wanted, page]) => {
        const parser = new PrometheusTextParser(new WantedFamilies(wanted));
        parser.push(Buffer.from(page));
        const { families, malformedLines } = parser.finish();
        const plain = readPlainly(page, [...new Set(wanted)]);
        expect(new Map(families)).toEqual(new Map(plain.families));
        expect(malformedLines).toBe(plain.malformedLines);
      }),
      { numRuns: 2_000 },
    );
  });
});
