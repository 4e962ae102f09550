import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonWriter } from "./json-writer.ts";

/** The output of one call, after bytes that leave no room for it. */
function written(call: (json: JsonWriter) => void): string {
  const json = new JsonWriter({ bytes: 3, keptBytesMax: 3, doubledBytesMax: 3 });
  json.put(Buffer.from("..."));
  call(json);
  return json.written().toString().slice(3);
}

const integers = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) + 1),
);

describe("JSON that is written as bytes", () => {
  it("has numbers as JSON.stringify writes them", () => {
    const numbers = fc.oneof(
      integers,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(1e21, -1e-7, Number.MAX_VALUE, Number.MIN_VALUE),
    );
    fc.assert(
      fc.property(numbers, (value) => {
        expect(written((json) => json.number(value))).toBe(JSON.stringify(value));
      }),
    );
  });

  it("has tenths of integers", () => {
    fc.assert(
      fc.property(integers, (count) => {
        expect(JSON.parse(written((json) => json.tenths(count)))).toBe(count / 10 + 0);
      }),
      { examples: [[-5], [5], [-10], [10], [-19], [703]] },
    );
  });

  it("has texts as JSON.stringify writes them", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes)),
      fc.constantFrom("", "\u{1f600}", "\ud800", '"', "\\", "\n\u0000", "\u007f", "é".repeat(999)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(written((json) => json.text(text))).toBe(JSON.stringify(text));
      }),
    );
  });

  it("keeps what was written when its buffer grows, and room for what comes later", () => {
    const json = new JsonWriter({ bytes: 2, keptBytesMax: 8, doubledBytesMax: 8 });
    json.put(Buffer.from("abc"));
    const at = json.skip(5);
    json.text("x".repeat(100));
    json.written().write("later", at);
    expect(json.written().toString()).toBe(`abclater"${"x".repeat(100)}"`);
  });

  it("doubles its buffer up to a bound", () => {
    const json = new JsonWriter({ bytes: 64, keptBytesMax: 64, doubledBytesMax: 200 });
    const sizes = Array.from({ length: 30 }, () => {
      json.put(new Uint8Array(10));
      return json.written().buffer.byteLength;
    });
    expect([...new Set(sizes)].slice(0, 4)).toEqual([64, 128, 200, 210]);
  });

  it("begins again, in a small buffer after a large one", () => {
    const json = new JsonWriter({ bytes: 4, keptBytesMax: 1_000, doubledBytesMax: 1_000 });
    for (const [length, kept] of [
      [900, 900],
      [2_000, 4],
    ] as const) {
      json.put(new Uint8Array(length));
      json.clear();
      expect(json.length).toBe(0);
      json.number(7);
      expect(json.written().toString()).toBe("7");
      expect(json.written().buffer.byteLength).toBeGreaterThanOrEqual(kept);
    }
    expect(json.written().buffer.byteLength).toBeLessThan(1_000);
  });
});
