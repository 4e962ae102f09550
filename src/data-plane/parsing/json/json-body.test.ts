import { describe, expect, it } from "vitest";
import { BytePieces } from "../../../std/byte-pieces.ts";
import { readJsonBody } from "./json-body.ts";

const read = (text: string) => readJsonBody(BytePieces.of(Buffer.from(text)));

describe("readJsonBody", () => {
  it("reads a value", () => {
    expect(read(' {"a":[1,"é"]}\n')).toEqual({ kind: "json", value: { a: [1, "é"] } });
  });

  it("reads a view that begins inside its buffer", () => {
    const whole = new TextEncoder().encode('xx{"a":1}yy');
    expect(readJsonBody(BytePieces.of(whole.subarray(2, 9)))).toEqual({
      kind: "json",
      value: { a: 1 },
    });
  });

  it("skips a byte order mark", () => {
    expect(read("\ufeff{}")).toEqual({ kind: "json", value: {} });
  });

  it("reads bytes that are not UTF-8 as replacement characters", () => {
    expect(readJsonBody(BytePieces.of(Buffer.from([0x22, 0xff, 0x22])))).toEqual({
      kind: "json",
      value: "\ufffd",
    });
  });

  it("takes the last of duplicate keys", () => {
    expect(read('{"model":"a","model":"b"}')).toEqual({ kind: "json", value: { model: "b" } });
  });

  it.each([
    ["", "request body is empty"],
    ["\ufeff", "request body is empty"],
    ["{", "request body is not valid JSON: it ends too early at line 1, column 2 (byte offset 1)"],
    [
      '{\n  "a": 1,\n}',
      // Two lines of 2 and 10 bytes come before the third.
      "request body is not valid JSON: unexpected byte at line 3, column 1 (byte offset 12)",
    ],
    [
      "[1,\n",
      "request body is not valid JSON: it ends too early at line 2, column 1 (byte offset 4)",
    ],
    [
      '"é" x',
      // é has two bytes.
      "request body is not valid JSON: unexpected byte at line 1, column 6 (byte offset 5)",
    ],
    [
      "\ufeff[x",
      // The mark's three bytes count.
      "request body is not valid JSON: unexpected byte at line 1, column 5 (byte offset 4)",
    ],
  ])("reports the mistake in %j and its position", (text, message) => {
    expect(read(text)).toEqual({ kind: "not-json", message });
  });

  it("quotes nothing of the body", () => {
    expect(JSON.stringify(read('{"prompt": secret}'))).not.toContain("secret");
  });
});
