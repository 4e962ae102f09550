import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bodyBytesMax,
  newestBytesMax,
  PrometheusTextParser,
  samplesMax,
} from "./prometheus-text.ts";
import { WantedFamilies } from "./wanted-families.ts";

const family = "lora";
const anySeries = [{ family, labels: {} }];

function parserFor(newestOf = anySeries): PrometheusTextParser {
  return new PrometheusTextParser(new WantedFamilies([family, "waiting"]), newestOf);
}

function newestIn(text: string, newestOf = anySeries) {
  const parser = parserFor(newestOf);
  parser.push(Buffer.from(text));
  return parser
    .finish()
    .families.get(family)
    ?.map(({ labels }) => labels["set"]);
}

const seriesOf = (m: string) => ({ family, labels: { m } });
const line = (set: string | number, value: string | number) => `lora{set="${set}"} ${value}\n`;

describe("the newest series of a family", () => {
  it("is the one with the largest value, however many there are", () => {
    const count = 5 * samplesMax;
    const values = Array.from({ length: count }, (_, index) => (index * 7_919) % count);
    const text = values.map((value, index) => line(index, value)).join("");
    expect(newestIn(text)).toEqual([String(values.indexOf(count - 1))]);
  });

  it("leaves other families whole", () => {
    const parser = parserFor();
    parser.push(Buffer.from(`waiting{e="0"} 1\n${line("a", 1)}waiting{e="1"} 2\n${line("b", 2)}`));
    const { families } = parser.finish();
    expect(families.get("waiting")?.map(({ value }) => value)).toEqual([1, 2]);
    expect(families.get(family)?.map(({ value }) => value)).toEqual([2]);
  });

  it("is one for each requested set of labels", () => {
    const text =
      'lora{set="a",m="x"} 1\nlora{set="b",m="x"} 3\nlora{set="c",m="y"} 2\nlora{set="d"} 4\n';
    expect(newestIn(text, [seriesOf("x"), seriesOf("y"), seriesOf("z")])).toEqual(["b", "c"]);
    expect(newestIn(text, [seriesOf("x"), seriesOf("x")])).toEqual(["b"]);
  });

  it.each(["NaN", "+Inf", "-Inf"])("is never one with the value %s", (value) => {
    expect(newestIn(line("odd", value) + line("a", 1) + line("odd", value))).toEqual(["a"]);
    expect(newestIn(line("odd", value))).toBeUndefined();
  });

  it.each([
    ["a timestamp", 'lora{set="new"} 5 1\n'],
    ["an exemplar", 'lora{set="new"} 5 # {t="x"} 1\n'],
    ["an exemplar without labels", 'lora{set="new"} 5 # {} 1\n'],
    ["a carriage return", 'lora{set="new"} 5\r\n'],
    ["an exponent", 'lora{set="new"} 5e0\n'],
    ["blanks", 'lora { set = "new" , }  5  \n'],
    ["a brace and a number in a label", 'lora{set="new",a="} 1"} 5\n'],
  ])("is found past %s", (_, newest) => {
    for (const text of [line("old", 4) + newest, newest + line("old", 4)]) {
      expect(newestIn(text)).toEqual(["new"]);
    }
  });

  it("is unknown if a line that may be newer cannot be read", () => {
    expect(newestIn(`${line("a", 4)}lora{set="b} 5\n`)).toBeUndefined();
  });

  it("is found even if its family has more bytes than a body may otherwise have", () => {
    const padding = "x".repeat(1_000);
    const count = Math.ceil(bodyBytesMax / padding.length) + 100;
    const lines = Array.from({ length: count }, (_, index) => line(`${index}-${padding}`, index));
    const parser = parserFor();
    for (const chunk of [...lines, "waiting 3\n"]) {
      expect(parser.push(Buffer.from(chunk))).toBe(true);
    }
    const { families, isTooLarge } = parser.finish();
    expect(isTooLarge).toBe(false);
    expect(families.get("waiting")?.map(({ value }) => value)).toEqual([3]);
    expect(families.get(family)?.map(({ value }) => value)).toEqual([count - 1]);
  });

  it("is dropped with the body beyond a bound on such lines", () => {
    const parser = parserFor();
    const chunk = Buffer.from(line("x".repeat(60_000), 1).repeat(64));
    let bytes = 0;
    while (parser.push(chunk)) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(newestBytesMax);
    expect(bytes).toBeLessThanOrEqual(newestBytesMax + bodyBytesMax + chunk.length);
    expect(parser.finish()).toMatchObject({ isTooLarge: true, families: new Map() });
  });

  it("is forgotten with the body that it was in", () => {
    const parser = parserFor();
    parser.push(Buffer.from(line("a", 9)));
    parser.finish();
    parser.push(Buffer.from(line("b", 1)));
    expect(
      parser
        .finish()
        .families.get(family)
        ?.map(({ value }) => value),
    ).toEqual([1]);
  });

  it("is the same however the text is cut", () => {
    const values = fc.array(fc.tuple(fc.nat(99), fc.constantFrom("", " 7", "\r", " # {} 9")), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(values, fc.array(fc.nat(), { maxLength: 10 }), (written, cuts) => {
        const lines = written.map(
          ([value, rest], index) => `lora{set="${index}"} ${value}${rest}\n`,
        );
        const text = Buffer.from(lines.join(""));
        const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].toSorted(
          (a, b) => a - b,
        );
        const parser = parserFor();
        for (const [index, end] of at.slice(1).entries())
          parser.push(text.subarray(at[index], end));
        const newest = Math.max(...written.map(([value]) => value));
        const first = written.findIndex(([value]) => value === newest);
        const expected =
          written.length === 0 ? undefined : [{ labels: { set: String(first) }, value: newest }];
        expect(parser.finish().families.get(family)).toEqual(expected);
      }),
    );
  });
});
