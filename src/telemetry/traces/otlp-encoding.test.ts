import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { spansIn } from "#test/support/otlp-receiver.ts";
import { OtlpEncoder } from "./otlp-encoding.ts";
import type { Span, SpanGroup } from "./span.ts";

const source = {
  resource: { "service.name": "a service" },
  scope: { name: "pointsman", version: "1.2.3" },
};

const hex = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdef")),
    minLength: length,
    maxLength: length,
  });
// Lone surrogates cannot be written as UTF-8.
const text = fc.string({ unit: "grapheme" });
const value = fc.oneof(
  text,
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.array(text, { minLength: 1, maxLength: 5 }),
  fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
);
/** Monotonic times whose nanoseconds are exact. */
const timeMs = fc.nat(10_000_000).map((quarters) => quarters / 4);
const span: fc.Arbitrary<Span> = fc.record({
  id: hex(16),
  parentId: fc.option(hex(16), { nil: undefined }),
  hasRemoteParent: fc.boolean(),
  name: text,
  kind: fc.constantFrom("internal", "server", "client"),
  startedMs: timeMs,
  endedMs: timeMs,
  attributes: fc.dictionary(text, value),
  events: fc.array(fc.record({ name: text, atMs: timeMs }), { maxLength: 3 }),
  error: fc.option(text, { nil: undefined }),
});
const group: fc.Arbitrary<SpanGroup> = fc.record({
  traceId: hex(32),
  traceState: text,
  originMs: fc.nat(4_000_000_000).map((seconds) => seconds * 1_000),
  spans: fc.array(span, { maxLength: 4 }),
});

const nanoseconds = (originMs: number, ms: number) => BigInt((originMs + ms) * 4) * 250_000n;

/** A span as the protocol's own decoder shows it. */
function asReceived(each: Span, { traceId, traceState, originMs }: SpanGroup) {
  return {
    ...{ traceId, traceState, id: each.id, parentId: each.parentId ?? "" },
    flags: each.hasRemoteParent ? 0x301 : 0x101,
    name: each.name,
    kind: each.kind,
    start: nanoseconds(originMs, each.startedMs),
    end: nanoseconds(originMs, each.endedMs),
    attributes: { ...each.attributes },
    events: each.events.map(({ name, atMs }) => ({ name, at: nanoseconds(originMs, atMs) })),
    error: each.error,
    ...source,
  };
}

/** Backwards, as they are written. */
const ordered = (spans: readonly { readonly id: string }[]) =>
  spans.toSorted((a, b) => (a.id < b.id ? -1 : 1));

describe("a batch of spans", () => {
  it("is read by OpenTelemetry's own protocol as it was written", () => {
    const encoder = new OtlpEncoder(source);
    fc.assert(
      fc.property(fc.array(group, { maxLength: 4 }), (groups) => {
        const ids = groups.flatMap(({ spans }) => spans.map(({ id }) => id));
        fc.pre(new Set(ids).size === ids.length);
        const expected = groups.flatMap((each) => each.spans.map((one) => asReceived(one, each)));
        expect(ordered(spansIn(encoder.encode(groups)))).toEqual(ordered(expected));
      }),
      { numRuns: 300 },
    );
  });

  it("leaves out attributes that are undefined", () => {
    const one: SpanGroup = {
      ...{ traceId: "1".repeat(32), traceState: "", originMs: 0 },
      spans: [
        {
          ...{ id: "2".repeat(16), parentId: undefined, hasRemoteParent: false, name: "a" },
          ...{ kind: "internal", startedMs: 0, endedMs: 1, events: [], error: undefined },
          attributes: { a: undefined, b: 1 },
        },
      ],
    };
    expect(spansIn(new OtlpEncoder(source).encode([one]))[0]?.attributes).toEqual({ b: 1 });
  });
});
