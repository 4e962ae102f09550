import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RawHeaders } from "./raw-headers.ts";

/** A field of bytes, with a length of up to three bytes. */
function field(tag: number, value: Buffer): Buffer {
  const length: number[] = [];
  let rest = value.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([tag, ...length, rest]), value]);
}

/** A header as Envoy writes it, or with its value first. */
function headerOf(key: string, value: string, isValueFirst: boolean): Buffer {
  const parts = [field(0x0a, Buffer.from(key)), field(0x1a, Buffer.from(value))];
  return field(0x0a, Buffer.concat(isValueFirst ? parts.toReversed() : parts));
}

const keys = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("x-a", "x-b", "y-a", "session-id", ":path", "", "é", "k".repeat(127)),
  fc.constant("k".repeat(200)),
);

describe("headers in the bytes of their message", () => {
  it("are found by name, and only those that are there", () => {
    const header = fc.record({ key: keys, value: fc.string({ maxLength: 200 }) });
    const lists = fc.array(header, { maxLength: 25 });
    fc.assert(
      fc.property(lists, keys, fc.nat(9), (headers, absent, turned) => {
        // Names are those of HTTP/2: ASCII.
        const sent = headers.filter(({ key }) => !/[^ -~]/u.test(key));
        const bytes = Buffer.concat(
          sent.map(({ key, value }) => headerOf(key, value, turned === 0)),
        );
        const read = RawHeaders.of(bytes, { start: 0, end: bytes.length });
        for (const name of [absent, ...sent.map(({ key }) => key)]) {
          expect(read?.get(name)).toBe(sent.find(({ key }) => key === name)?.value);
          expect(read?.isRepeated(name)).toBe(sent.filter(({ key }) => key === name).length > 1);
        }
      }),
    );
  });
});
