import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutAt } from "#test/support/cuts.ts";
import { BytePieces } from "../../../std/byte-pieces.ts";
import { readJsonBody } from "./json-body.ts";
import { jsonInSlices } from "./json-in-slices.ts";

const slices = (body: Buffer, isWanted = () => true) => jsonInSlices(BytePieces.of(body), isWanted);

/** The value as it is read at once. */
function atOnce(body: Buffer): unknown {
  const read = readJsonBody(BytePieces.of(body));
  return read.kind === "json" ? read.value : undefined;
}

/** Units of the contents of a JSON string, some of which must not be cut, as bytes of their text. */
const units = [
  ...['\\"', "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\u0022", "\\/"],
  ...["é", "转", "😀", "a", "ab", "plain text ", "\\\\\\\\\\u0041"],
].map((text) => Buffer.from(text));
const brokenUnits = [[0xff], [0xc3], [0xe8, 0xbd], [0x80], [0x80, 0x80, 0x80, 0x80], [0xf0, 0x9f]];

const text = (value: string) => Buffer.from(value);
const longText = fc
  .array(fc.constantFrom(...units, ...brokenUnits.map((bytes) => Buffer.from(bytes))), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => {
    const part = Buffer.concat(parts);
    return Buffer.alloc(Math.ceil(1_500 / part.length) * part.length, part);
  });
const shortText = fc.string({ unit: "binary", maxLength: 20 }).map((value) => text(value));
const quoted = (contents: Buffer) => Buffer.concat([text('"'), contents, text('"')]);
const space = fc.constantFrom("", "", " ", "\r\n\t").map(text);

/** Texts of JSON values with long and short strings, also as keys and as keys that are there twice. */
const jsonText = fc.letrec<{ value: Buffer }>((tie) => {
  const value = tie("value");
  const key = fc.oneof(
    fc.constantFrom('"a"', '"model"', '"__proto__"', '"\\u0061"').map(text),
    longText.map(quoted),
  );
  const listOf = (inner: fc.Arbitrary<Buffer>, ends: readonly [string, string]) =>
    fc.array(inner, { maxLength: 4 }).map((items) => {
      const parts = items.flatMap((item, index) => (index === 0 ? [item] : [text(","), item]));
      return Buffer.concat([text(ends[0]), ...parts, text(ends[1])]);
    });
  const member = fc
    .tuple(space, key, space, space, value, space)
    .map(([a, name, b, c, inner, d]) => Buffer.concat([a, name, b, text(":"), c, inner, d]));
  return {
    value: fc.oneof(
      { depthSize: "medium" },
      longText.map(quoted),
      shortText.map((bytes) => text(JSON.stringify(bytes.toString()))),
      fc.json({ maxDepth: 1 }).map(text),
      listOf(value, ["[", "]"]),
      listOf(member, ["{", "}"]),
    ),
  };
}).value;

describe("jsonInSlices", () => {
  it("reads any JSON as it is read at once, for any pieces", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(
        jsonText,
        fc.boolean(),
        fc.array(fc.nat(9_000)),
        async (body, hasMark, cuts) => {
          const whole = hasMark ? Buffer.concat([text("\ufeff"), body]) : body;
          const pieces = new BytePieces(cutAt(whole, cuts), whole.length);
          const read = await jsonInSlices(pieces, () => true);
          if (read !== "at-once") taken += 1;
          expect(read === "at-once" || read).toEqual(
            read === "at-once" || { value: atOnce(whole) },
          );
        },
      ),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  it("reads no text that is not JSON, and nothing in it is taken for JSON", async () => {
    await fc.assert(
      fc.asyncProperty(
        jsonText,
        fc.record({
          place: fc.nat(5_000),
          put: fc.constantFrom("", '"', "\\", "\u0001", "\\x", "\\u12", ",", "}", "]", "{"),
          cut: fc.nat(3),
        }),
        async (body, { place, put, cut }) => {
          const at = Math.min(place, body.length);
          const broken = Buffer.concat([body.subarray(0, at), text(put), body.subarray(at + cut)]);
          const read = await slices(broken);
          const expected = atOnce(broken);
          expect(read === "at-once" || read).toEqual(
            read === "at-once" || { value: expected ?? "a fault" },
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each(units.map((unit) => unit.toString()))(
    "reads a string of more than a slice of %j, cut at any place within it",
    async (unit) => {
      for (let shift = 0; shift < 13; shift += 1) {
        const contents =
          "x".repeat(shift) + unit.repeat(Math.ceil(600_000 / Buffer.byteLength(unit)));
        const body = Buffer.from(`{"model":"m","prompt":"${contents}"}`);
        expect(await slices(body)).toEqual({ value: atOnce(body) });
      }
    },
  );

  it.each(brokenUnits)("reads a string of more than a slice of the bytes %j", async (...unit) => {
    for (let shift = 0; shift < 5; shift += 1) {
      const contents = Buffer.concat([
        Buffer.alloc(shift, 0x78),
        Buffer.alloc(600_000, Buffer.from(unit)),
      ]);
      const body = Buffer.concat([text('{"prompt":'), quoted(contents), text("}")]);
      expect(await slices(body)).toEqual({ value: atOnce(body) });
    }
  });

  it("leaves a text to be read at once whose long strings are a small part", async () => {
    const items = Array.from({ length: 150_000 }, (_, index) => `item ${index}`);
    expect(await slices(Buffer.from(JSON.stringify({ items, text: "x".repeat(9_000) })))).toBe(
      "at-once",
    );
    expect(await slices(Buffer.from(JSON.stringify(items.map((_, index) => index))))).toBe(
      "at-once",
    );
  });

  it("stops at the next turn once it is not wanted", async () => {
    const body = Buffer.from(JSON.stringify({ prompt: "x".repeat(3_000_000) }));
    let asked = 0;
    expect(await slices(body, () => (asked += 1) < 2)).toBe("gone");
    expect(asked).toBe(2);
  });

  it("gives other work its turn every 512 KiB", async () => {
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    // 4 MiB are searched, and then read.
    await slices(Buffer.from(JSON.stringify({ prompt: "x".repeat(4_194_304) })));
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(8);
  });

  it("reads a text that looks like a mark as it stands", async () => {
    const body = Buffer.from(JSON.stringify({ a: ["0:0", ":0"], prompt: "x".repeat(2_000) }));
    expect(await slices(body)).toEqual({ value: atOnce(body) });
  });

  it("reads nesting of 100,000 levels", async () => {
    const body = Buffer.from(`${"[".repeat(100_000)}"${"x".repeat(2_000)}"${"]".repeat(100_000)}`);
    const read = await slices(body);
    let value = typeof read === "string" ? undefined : read.value;
    while (Array.isArray(value)) value = (value as unknown[])[0];
    expect(value).toBe("x".repeat(2_000));
  });
});
