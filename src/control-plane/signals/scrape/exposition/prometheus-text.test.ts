import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bodyBytesMax, lineBytesMax, PrometheusTextParser, samplesMax } from "./prometheus-text.ts";
import { WantedFamilies } from "./wanted-families.ts";

const names = ["vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv", "up"];

function parse(...chunks: readonly (string | Uint8Array)[]) {
  const parser = new PrometheusTextParser(new WantedFamilies(names));
  for (const chunk of chunks) parser.push(Buffer.from(chunk));
  const { families, ...rest } = parser.finish();
  return { families: Object.fromEntries(families), ...rest };
}

const valuesOf = (text: string, name = "up") =>
  parse(text).families[name]?.map(({ value }) => value);

const lineOfBytes = (bytes: number) => `up{a="${"x".repeat(bytes - 'up{a=""} 1'.length)}"} 1\n`;

/** The bytes of `text`, cut at `cuts`. */
function cutAt(text: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length];
  const sorted = at.toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => text.subarray(sorted[index], end));
}

describe("PrometheusTextParser", () => {
  it("reads the wanted families with labels and values, and nothing else", () => {
    const text = `# HELP vllm:num_requests_waiting Waiting.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a/b"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a/b"} 4.0
vllm:num_requests_waiting_total{engine="1"} 9
vllm:num_requests 8
upper 1
  up 3
up 1
# EOF
`;
    expect(parse(text)).toEqual({
      families: {
        "vllm:num_requests_waiting": [
          { labels: { engine: "0", model_name: "a/b" }, value: 3 },
          { labels: { engine: "1", model_name: "a/b" }, value: 4 },
        ],
        up: [{ labels: {}, value: 1 }],
      },
      malformedLines: 0,
      isTooLarge: false,
    });
  });

  it.each([
    ["1", 1],
    ["-1.5", -1.5],
    ["+2", 2],
    [".5", 0.5],
    ["3.", 3],
    ["1e3", 1_000],
    ["1.25E-2", 0.0125],
    ["NaN", Number.NaN],
    ["nan", Number.NaN],
    ["+Inf", Infinity],
    ["-Inf", -Infinity],
    ["Infinity", Infinity],
  ])("reads the value %s", (written, value) => {
    expect(valuesOf(`up ${written}\n`)).toEqual([value]);
  });

  it.each([
    ["a timestamp", "up 7 1395066363000"],
    ["a fractional timestamp", "up 7 1395066363.5"],
    ["an exemplar", 'up 7 # {trace_id="x} 3"} 0.5 1395066363'],
    ["a timestamp and an exemplar", "up 7 1395066363 # {} 1"],
    ["tabs", "up\t7\t8"],
    ["an exemplar with any character", 'up 7 # {a="\u2028\r"} 1'],
    ["a carriage return", "up 7\r"],
    ["spaces everywhere", 'up { a = "b" , c="d" , }  7  '],
    ["empty labels", "up{} 7"],
  ])("skips %s", (_, line) => {
    expect(valuesOf(`${line}\n`)).toEqual([7]);
  });

  it("resolves the escapes of label values", () => {
    const text = String.raw`up{a="\\ \" \n {},=",b="ünï"} 1` + "\n";
    expect(parse(text).families["up"]?.[0]?.labels).toEqual({ a: '\\ " \n {},=', b: "ünï" });
  });

  it.each([
    "up",
    "up ",
    "up x",
    "up 1 2 3",
    "up 1x",
    "up 0x10",
    "up 1_000",
    "up{",
    'up{a="b" 1',
    'up{a="b} 1',
    "up{a=b} 1",
    'up{a="b"c="d"} 1',
    'up{="b"} 1',
    'up{a="b",,} 1',
    String.raw`up{a="\x"} 1`,
    'up{a="b"}',
    "up 1 1.2.3",
    "up 1\r2",
    "up 1\f",
    "up 1 \v2",
    "up \u00a01",
    'up{a="b",\ufeffc="d"} 1',
    'up{a\r="b"} 1',
    'up{a="b"}\v1',
  ])("drops the family of the malformed line %j, and only that", (line) => {
    const text = `vllm:kv 1\nup 1\n${line}\nup 2\nvllm:kv 2\n`;
    const { families, malformedLines } = parse(text);
    expect(families["up"]).toBeUndefined();
    expect(malformedLines).toBe(1);
    expect(families["vllm:kv"]?.map(({ value }) => value)).toEqual([1, 2]);
  });

  it("ignores a last line without its end", () => {
    expect(parse("vllm:kv 1\nup 12")).toMatchObject({
      families: { "vllm:kv": [{ value: 1 }] },
      malformedLines: 1,
    });
    expect(parse("vllm:kv 1\nup 12").families["up"]).toBeUndefined();
    expect(parse("up 1\nother 12")).toMatchObject({ families: { up: [{ value: 1 }] } });
  });

  it("drops a family whose name may have begun at the end of a cut body", () => {
    const whole = "vllm:kv 1\nvllm:num_requests_waiting 1\nvllm:num_requests_running 1\nup 1\n";
    const left = (rest: string) => Object.keys(parse(whole + rest).families);
    expect(left("vllm:num_requests_w")).toEqual(["vllm:num_requests_running", "vllm:kv", "up"]);
    expect(left("vllm:num")).toEqual(["vllm:kv", "up"]);
    expect(left("v")).toEqual(["up"]);
    expect(left("#")).toEqual([...names]);
    expect(left("\ufeff")).toEqual([...names]);
    expect(parse(`${whole}v`).malformedLines).toBe(1);
  });

  it("reads a line of 64 KiB and drops a family with a longer one, however it is cut", () => {
    const fits = lineOfBytes(lineBytesMax);
    const tooLong = lineOfBytes(lineBytesMax + 1);
    for (const cut of [0, 1, 100, lineBytesMax, lineBytesMax + 1]) {
      expect(parse(fits.slice(0, cut), fits.slice(cut)).families["up"]).toHaveLength(1);
      expect(parse(tooLong.slice(0, cut), tooLong.slice(cut), "vllm:kv 1\n")).toMatchObject({
        families: { "vllm:kv": [{ value: 1 }] },
        malformedLines: 1,
      });
    }
  });

  it("skips a long line of another family", () => {
    const text = `other{a="${"x".repeat(3 * lineBytesMax)}"} 1\nup 1\n`;
    expect(parse(text.slice(0, 1_000), text.slice(1_000, 150_000), text.slice(150_000))).toEqual({
      families: { up: [{ labels: {}, value: 1 }] },
      malformedLines: 0,
      isTooLarge: false,
    });
  });

  it("takes time in proportion to a hostile line", () => {
    const hostile = ["1".repeat(60_000), " ".repeat(60_000), '{a="b",'.repeat(8_000)];
    const startMs = process.hrtime.bigint();
    for (const text of hostile) expect(parse(`up 1${text}x\n`).malformedLines).toBe(1);
    // A few ms; a quadratic step would take minutes.
    expect(Number(process.hrtime.bigint() - startMs) / 1e6).toBeLessThan(2_000);
  });

  it("returns nothing of a body over 8 MiB and reports that at once", () => {
    const parser = new PrometheusTextParser(new WantedFamilies(names));
    const half = Buffer.from(`up 1\n#${"x".repeat(bodyBytesMax / 2 - 7)}\n`);
    expect([parser.push(half), parser.push(half)]).toEqual([true, true]);
    expect(parser.push(Buffer.from("\n"))).toBe(false);
    expect(parser.finish()).toMatchObject({ isTooLarge: true, families: new Map() });
  });

  it("drops a family with too many series", () => {
    expect(valuesOf("up 1\n".repeat(samplesMax))).toHaveLength(samplesMax);
    const { families, malformedLines } = parse(`vllm:kv 1\n${"up 1\n".repeat(samplesMax + 1)}`);
    expect(Object.keys(families)).toEqual(["vllm:kv"]);
    expect(malformedLines).toBe(1);
  });

  it("starts fresh after each body, whatever the last one was", () => {
    const parser = new PrometheusTextParser(new WantedFamilies(names));
    for (const body of ["up x\nvllm:kv 3", "x".repeat(bodyBytesMax + 1), "up 2\n"]) {
      parser.push(Buffer.from(body));
      parser.finish();
    }
    parser.push(Buffer.from("up 1\n"));
    expect(parser.finish()).toEqual({
      families: new Map([["up", [{ labels: {}, value: 1 }]]]),
      malformedLines: 0,
      isTooLarge: false,
    });
  });
});

/** Lines that are valid, nearly valid, or noise. */
const line = fc.oneof(
  fc.constantFrom(
    "up 1",
    'up{a="1"} 2 3',
    "up x",
    "vllm:kv 0.5",
    'vllm:kv{m="ü\\n"} NaN',
    'vllm:num_requests_waiting{engine="0"} 4',
    "# HELP up x",
    "",
    "\r",
  ),
  fc.string(),
  fc.string({ unit: "binary" }).map((text) => `up${text}`),
);
const body = fc
  .tuple(fc.array(line), fc.constantFrom("", "\n"))
  .map(([lines, end]) => new TextEncoder().encode(lines.join("\n") + end));
const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe("PrometheusTextParser on any text", () => {
  it("reads it the same however it is cut", () => {
    fc.assert(
      fc.property(body, cuts, (text, at) => {
        expect(parse(...cutAt(text, at))).toEqual(parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it("reads it the same byte by byte", () => {
    fc.assert(
      fc.property(body, (text) => {
        const bytes = [...text].map((byte) => Uint8Array.of(byte));
        expect(parse(...bytes)).toEqual(parse(text));
      }),
    );
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(parse(bytes).isTooLarge).toBe(false);
      }),
    );
  });

  it("reads an intact family whatever happens to the lines of others", () => {
    const others = fc.array(
      fc.oneof(
        fc.string().map((text) => `up ${text}`),
        fc.string().map((text) => `vllm:kv{${text}`),
        fc.string().map((text) => `other ${text}`),
      ),
    );
    const value = fc.double({ noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(others, value)), others, cuts, (groups, rest, at) => {
        const intact = names[0] ?? "";
        const lines = [
          ...groups.flatMap(([noise, number]) => [...noise, `${intact} ${shown(number)}`]),
          ...rest,
        ];
        // A line feed in a mangled line must not begin a line of the intact family.
        const text = lines.map((one) => one.replaceAll("\n", " ")).join("\n");
        const bytes = new TextEncoder().encode(`${text}\n`);
        const { families } = parse(...cutAt(bytes, at));
        const read = families[intact]?.map((sample) => sample.value) ?? [];
        expect(read).toEqual(groups.map(([, number]) => number));
      }),
    );
  });
});

/** In the spelling of Prometheus. */
const shown = (value: number) =>
  Number.isFinite(value) ? (Object.is(value, -0) ? "-0" : `${value}`) : value > 0 ? "+Inf" : "-Inf";
