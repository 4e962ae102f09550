import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonFaultAt } from "./json-fault.ts";

const faultOf = (text: string) => jsonFaultAt(Buffer.from(text));

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString());
    return true;
  } catch {
    return false;
  }
}

/** Bytes near JSON: a valid text with some bytes replaced, dropped or cut off. */
const nearJson = fc
  .record({
    text: fc.json({ noUnicodeString: false }),
    indent: fc.boolean(),
    cuts: fc.array(
      fc.record({ at: fc.nat(400), length: fc.nat(2), put: fc.uint8Array({ maxLength: 2 }) }),
      {
        maxLength: 3,
      },
    ),
    keep: fc.nat(400),
  })
  .map(({ text, indent, cuts, keep }) => {
    let bytes = Buffer.from(indent ? JSON.stringify(JSON.parse(text), undefined, "\t") : text);
    for (const { at, length, put } of cuts) {
      const from = at % (bytes.byteLength + 1);
      bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + length)]);
    }
    return bytes.subarray(0, keep);
  });

/** Short texts over the alphabet of JSON, which reach nearly every state of the scan. */
const jsonSoup = fc
  .array(
    fc.constantFrom(
      ...Array.from('{}[]:,"\\ \n\t-+.eE0123u/x\u0001'),
      "true",
      "false",
      "null",
      '"a"',
      "\\u00e9",
      "é",
    ),
    { maxLength: 12 },
  )
  .map((pieces) => Buffer.from(pieces.join("")));

describe("jsonFaultAt", () => {
  it.each([
    ["", 0],
    ["  ", 2],
    ["{", 1],
    ["{]", 1],
    ['{"a"}', 4],
    ['{"a":}', 5],
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["[1]]", 3],
    ["{} x", 3],
    ["trxe", 2],
    ["nul", 3],
    ["01", 1],
    ["-", 1],
    ["1.", 2],
    ["1.e3", 2],
    ["1e", 2],
    ["1e+", 3],
    ["+1", 0],
    ["NaN", 0],
    ['"a\nb"', 2],
    ['"\\x"', 2],
    ['"\\u12G4"', 5],
    ['"abc', 4],
    ["\ufeff{}", 0],
    ["[1,\u00a02]", 3],
  ])("finds the fault of %j at %i", (text, offset) => {
    expect(faultOf(text)).toBe(offset);
  });

  it.each(["{}", " [ ] ", "null", "-0.5e-7", '"\\u00e9\\n"', '{"a":[{"b":[]},1,"é"]}', '"\u007f"'])(
    "finds none in %j",
    (text) => {
      expect(faultOf(text)).toBeUndefined();
    },
  );

  it("descends 100,000 levels", () => {
    expect(faultOf("[".repeat(100_000))).toBe(100_000);
    expect(faultOf("[".repeat(100_000) + "]".repeat(100_000))).toBeUndefined();
    expect(faultOf('{"a":'.repeat(100_000))).toBe(500_000);
  });

  it.each([
    ["near JSON", nearJson],
    ["of JSON's alphabet", jsonSoup],
    ["of any kind", fc.uint8Array({ maxLength: 40 })],
  ])("finds a fault exactly if JSON.parse fails, for bytes %s", (_, arbitrary) => {
    const property = fc.property<[Uint8Array]>(arbitrary, (bytes) => {
      expect(jsonFaultAt(bytes) === undefined).toBe(isJson(bytes));
    });
    fc.assert(property, { numRuns: 3_000 });
  });

  it("finds the first byte that no continuation can make valid", () => {
    const property = fc.property(fc.oneof(nearJson, jsonSoup), (bytes) => {
      const fault = jsonFaultAt(bytes);
      fc.pre(fault !== undefined && fault < bytes.byteLength);
      // Up to the fault, the text is valid or too short; including it, no continuation is valid.
      expect([undefined, fault]).toContain(jsonFaultAt(bytes.subarray(0, fault)));
      expect(jsonFaultAt(bytes.subarray(0, fault + 1))).toBe(fault);
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});
