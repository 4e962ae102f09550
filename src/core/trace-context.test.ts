import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTraceParent, traceParentIn, traceParentOf } from "./trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

const hex = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdef")),
    minLength: length,
    maxLength: length,
  });
const ids = (length: number) => hex(length).filter((id) => /[^0]/u.test(id));

describe("traceparent", () => {
  it("names a trace, a span, and its sampling", () => {
    const text = `00-${traceId}-${spanId}-01`;
    expect(parseTraceParent(text)).toEqual({ traceId, spanId, isSampled: true });
    expect(parseTraceParent(`00-${traceId}-${spanId}-00`)?.isSampled).toBe(false);
  });

  it.each([
    ["nothing", ""],
    ["version ff", `ff-${traceId}-${spanId}-01`],
    ["a version of one digit", `0-${traceId}-${spanId}-01`],
    ["a version that is no number", `0x-${traceId}-${spanId}-01`],
    ["upper case in the version", `0A-${traceId}-${spanId}-01`],
    ["upper case in the trace", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["upper case in the span", `00-${traceId}-${spanId.toUpperCase()}-01`],
    ["upper case in the flags", `00-${traceId}-${spanId}-0A`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a span of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["a short trace", `00-${traceId.slice(1)}-${spanId}-01`],
    ["a long trace", `00-${traceId}0-${spanId}-01`],
    ["a short span", `00-${traceId}-${spanId.slice(1)}-01`],
    ["no flags", `00-${traceId}-${spanId}`],
    ["flags of one digit", `00-${traceId}-${spanId}-1`],
    ["more than version 00 has", `00-${traceId}-${spanId}-01-more`],
    ["an empty part after version 00", `00-${traceId}-${spanId}-01-`],
    ["a later version that goes on without a dash", `cc-${traceId}-${spanId}-01x`],
    ["two values in one header", `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`],
    ["spaces", ` 00-${traceId}-${spanId}-01`],
    ["a line after it", `00-${traceId}-${spanId}-01\n`],
  ])("is invalid with %s", (_, text) => {
    expect(parseTraceParent(text)).toBeUndefined();
  });

  it.each([`cc-${traceId}-${spanId}-01`, `cc-${traceId}-${spanId}-01-what-comes-later`])(
    "is read as far as version 00 goes: %s",
    (text) => {
      expect(parseTraceParent(text)).toEqual({ traceId, spanId, isSampled: true });
    },
  );

  it("is written as it is read", () => {
    fc.assert(
      fc.property(ids(32), ids(16), fc.boolean(), (trace, span, isSampled) => {
        const context = { traceId: trace, spanId: span, isSampled };
        expect(parseTraceParent(traceParentOf(context))).toEqual(context);
      }),
    );
  });

  it("has only the first bit of the flags for the sampling", () => {
    fc.assert(
      fc.property(ids(32), ids(16), hex(2), (trace, span, flags) => {
        const isSampled = Number.parseInt(flags, 16) % 2 === 1;
        expect(parseTraceParent(`00-${trace}-${span}-${flags}`)?.isSampled).toBe(isSampled);
      }),
    );
  });

  it("is never read from other text, whatever that is", () => {
    const known = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}/u;
    const almost = fc
      .tuple(hex(2), hex(32), hex(16), hex(2), fc.string({ maxLength: 3 }), fc.nat(60))
      .map(([version, trace, span, flags, stray, at]) => {
        const text = `${version}-${trace}-${span}-${flags}`;
        return text.slice(0, at) + stray + text.slice(at);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string(), almost), (text) => {
        const context = parseTraceParent(text);
        if (context === undefined) return;
        expect(text).toMatch(known);
        expect(text.slice(3, 35)).toBe(context.traceId);
        expect(text.slice(36, 52)).toBe(context.spanId);
        expect(text.slice(0, 2) === "00" ? text.length : 55).toBe(55);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the headers of a request", () => {
  const text = `00-${traceId}-${spanId}-01`;

  it("have a parent if there is one", () => {
    expect(traceParentIn(new Map([["traceparent", text]]))).toMatchObject({ traceId });
    expect(traceParentIn(new Map())).toBeUndefined();
    expect(traceParentIn(new Map([["traceparent", "x"]]))).toBeUndefined();
  });

  it("have none if the header is repeated, even with the same value", () => {
    const headers = { get: () => text, isRepeated: () => true };
    expect(traceParentIn(headers)).toBeUndefined();
  });
});
