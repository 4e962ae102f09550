import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, type PayloadUse } from "./frame-reader.ts";
import { ConnectionError, preface } from "./frame-types.ts";

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array;
}

/** Types 0, 1 and 2 are read in pieces, whole, and not at all. */
const uses: readonly PayloadUse[] = ["pieces", "whole", "skipped"];

const frame: fc.Arbitrary<Frame> = fc.record({
  type: fc.integer({ min: 0, max: uses.length - 1 }),
  flags: fc.integer({ min: 0, max: 255 }),
  streamId: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  payload: fc.uint8Array({ maxLength: 70 }),
});

function bytesOf({ type, flags, streamId, payload }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  // The highest bit has no meaning.
  head.writeUInt32BE((streamId | 0x80000000) >>> 0, 5);
  return Buffer.concat([head, payload]);
}

function read(chunks: readonly Buffer[]): readonly Frame[] {
  const frames: { type: number; flags: number; streamId: number; payload: Buffer }[] = [];
  let ends = 0;
  const add = (bytes: Buffer, start: number, end: number) => {
    const last = frames.at(-1);
    if (last !== undefined)
      last.payload = Buffer.concat([last.payload, bytes.subarray(start, end)]);
  };
  const reader = new FrameReader({
    isOver: false,
    begin: ({ type, flags, streamId }) => {
      frames.push({ type, flags, streamId, payload: Buffer.alloc(0) });
      return uses[type] ?? "skipped";
    },
    piece: (bytes, start, end) => {
      expect(end).toBeGreaterThan(start);
      add(bytes, start, end);
    },
    ended: () => void (ends += 1),
    whole: (bytes, start, end) => {
      ends += 1;
      add(bytes, start, end);
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  expect(ends).toBe(frames.filter(({ type }) => type < 2).length);
  return frames;
}

/** Cuts bytes into chunks of these lengths, in turn. */
function cut(bytes: Buffer, lengths: readonly number[]): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const end = at + (lengths[index % lengths.length] ?? bytes.length);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

describe("FrameReader", () => {
  it("finds the same frames wherever the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        (frames, lengths) => {
          const bytes = Buffer.concat([preface, ...frames.map(bytesOf)]);
          const expected = frames.map((each) => ({
            ...each,
            payload: Buffer.from(each.type === 2 ? [] : each.payload),
          }));
          expect(read(cut(bytes, lengths))).toEqual(expected);
        },
      ),
    );
  });

  it.each(["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX", "\0"])("refuses %j", (text) => {
    expect(() => read([Buffer.from(text)])).toThrow(ConnectionError);
  });

  it("refuses another beginning at the first byte that differs", () => {
    const begun = [...preface.subarray(0, 20)].map((byte) => Buffer.from([byte]));
    expect(read(begun)).toEqual([]);
    expect(() => read([preface.subarray(0, 20), Buffer.from("x")])).toThrow(ConnectionError);
  });
});
