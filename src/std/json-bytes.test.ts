import { describe, expect, it } from "vitest";
import { afterSpace, hasBytesAt, markBytesAt, parsedJson, runUntil } from "./json-bytes.ts";

const bytes = (text: string) => Buffer.from(text);

describe("runUntil", () => {
  const endOfRun = runUntil('"\\');

  it.each([
    { text: 'abc"d', from: 0, end: 5, at: 3 },
    { text: "abc\\d", from: 0, end: 5, at: 3 },
    { text: 'abc"d', from: 3, end: 5, at: 3 },
    { text: 'abc"d', from: 4, end: 5, at: 5 },
    // The stop byte at 3 is not before the end.
    { text: 'abc"d', from: 0, end: 3, at: 3 },
    { text: 'abc"d', from: 0, end: 2, at: 2 },
    // UTF-8 has no byte below 0x80 within a character.
    { text: 'ä€😀"', from: 0, end: 10, at: 9 },
    { text: "", from: 0, end: 0, at: 0 },
  ])("ends the run of $text from $from before $end at $at", ({ text, from, end, at }) => {
    expect(endOfRun(bytes(text), from, end)).toBe(at);
  });

  it("ends a run at the end of bytes that are fewer than it is told", () => {
    expect(endOfRun(bytes("ab"), 0, 3)).toBe(3);
  });
});

describe("afterSpace", () => {
  it.each([
    { text: "a", from: 0, at: 0 },
    { text: " \t\r\n a", from: 0, at: 5 },
    { text: "a b", from: 1, at: 2 },
    { text: "   ", from: 1, at: 3 },
    // JSON knows four kinds of white space; a no-break space is none of them.
    { text: "\u00a0", from: 0, at: 0 },
    { text: "\f", from: 0, at: 0 },
  ])("finds the first byte after the space of $text from $from at $at", ({ text, from, at }) => {
    expect(afterSpace(bytes(text), from)).toBe(at);
  });
});

describe("hasBytesAt", () => {
  it.each([
    { text: "xdata", start: 1, has: true },
    { text: "xdat", start: 1, has: false },
    { text: "xdatA", start: 1, has: false },
    { text: "data", start: 4, has: false },
  ])("says $has of data at $start in $text", ({ text, start, has }) => {
    expect(hasBytesAt(bytes(text), start, bytes("data"))).toBe(has);
  });
});

describe("markBytesAt", () => {
  it.each([
    { text: "\ufeff{}", start: 0, length: 3 },
    { text: "{}", start: 0, length: 0 },
    { text: "a\ufeff", start: 1, length: 3 },
    { text: "", start: 0, length: 0 },
  ])("counts $length bytes of a mark at $start in $text", ({ text, start, length }) => {
    expect(markBytesAt(bytes(text), start)).toBe(length);
  });

  it("does not count a mark that is cut off", () => {
    expect(markBytesAt(bytes("\ufeff").subarray(0, 2), 0)).toBe(0);
  });
});

describe("parsedJson", () => {
  it.each([
    { text: "null", value: null },
    { text: '{"a":[1]}', value: { a: [1] } },
    { text: "", value: undefined },
    { text: '{"a":', value: undefined },
  ])("reads $text as $value", ({ text, value }) => {
    expect(parsedJson(text)).toEqual(value);
  });
});
