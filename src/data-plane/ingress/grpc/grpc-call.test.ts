import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { FrameReader } from "../http2/frame-reader.ts";
import { preface } from "../http2/frame-types.ts";
import { literalField } from "../http2/hpack/literal.ts";
import { Output, Slabs } from "../http2/output.ts";
import { ServerSession } from "../http2/server-session.ts";
import type { GrpcCall } from "./grpc-call.ts";
import { methodsServer } from "./methods-server.ts";

const path = "/a.B/C";

/** A server of one method over a connection without a socket. */
function serving() {
  const messages: Buffer[] = [];
  const calls: GrpcCall[] = [];
  const events: string[] = [];
  const written: Buffer[] = [];
  const clock = new FakeClock();
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(Buffer.from(chunk));
      done();
    },
  });
  const output = new Output(socket, new Slabs());
  const session = new ServerSession({
    output,
    clock,
    serve: methodsServer({
      methods: new Map([
        [
          path,
          (call) => {
            calls.push(call);
            return {
              message: (bytes, start, end) =>
                void messages.push(Buffer.from(bytes.subarray(start, end))),
              ended: () => void events.push("ended"),
              closed: (cause) => void events.push(cause),
            };
          },
        ],
      ]),
      limits: { receivedBytesMax: 3_000_000, sentBytesMax: undefined },
      clock,
    }),
    wantFlush: () => undefined,
    onFinished: () => undefined,
  });
  const reader = new FrameReader(session);
  reader.push(Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0))]));
  const sent = () => {
    output.flush();
    return Buffer.concat(written);
  };
  return { reader, messages, calls, events, clock, sent, session };
}

function frame(...[type, flags, stream, payload]: [number, number, number, Uint8Array]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function opening(stream: number, more: readonly (readonly [string, string])[] = []): Buffer {
  const headers = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    ["content-type", "application/grpc+proto"],
    ...more,
  ] as const;
  return frame(
    1,
    4,
    stream,
    Buffer.concat(headers.map(([name, value]) => literalField(name, value))),
  );
}

function framed(payload: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** Cuts bytes into parts of these lengths, in turn. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const end = at + (lengths[index % lengths.length] ?? bytes.length);
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  return parts;
}

const lengths = (max: number) =>
  fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 6 });

describe("GrpcCall", () => {
  it("finds the same messages wherever frames and chunks are cut, and with pauses", () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.uint8Array({ minLength: 5_000, maxLength: 9_000 }),
    );
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 8 }),
        fc.tuple(lengths(4_000), lengths(3_000)),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
        (payloads, [frameLengths, chunkLengths], pauses) => {
          const { reader, messages, calls, events } = serving();
          const data = cut(Buffer.concat(payloads.map(framed)), frameLengths);
          const frames = data.map((part) => frame(0, 0, 1, part));
          const bytes = Buffer.concat([opening(1), ...frames, frame(0, 1, 1, Buffer.alloc(0))]);
          for (const [index, chunk] of cut(bytes, chunkLengths).entries()) {
            reader.push(chunk);
            if (pauses[index % pauses.length] === true) calls[0]?.pause();
            else calls[0]?.resume();
          }
          calls[0]?.resume();
          expect(messages).toEqual(payloads.map((each) => Buffer.from(each)));
          expect(events).toEqual(["ended"]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("tells a close while it is paused, and no message after it", () => {
    const { reader, messages, calls, events } = serving();
    reader.push(opening(1));
    calls[0]?.pause();
    reader.push(
      Buffer.concat([frame(0, 1, 1, framed(Buffer.from("a"))), frame(3, 0, 1, Buffer.alloc(4))]),
    );
    calls[0]?.resume();
    expect([messages, events]).toEqual([[], ["reset"]]);
  });

  it("resets a stream that sends more than its window while it is paused", () => {
    const { reader, calls, events, sent } = serving();
    reader.push(opening(1));
    calls[0]?.pause();
    const quarter = frame(0, 0, 1, Buffer.alloc(2 ** 18));
    for (let sentQuarters = 0; sentQuarters < 4; sentQuarters += 1) reader.push(quarter);
    expect(events).toEqual([]);
    reader.push(frame(0, 0, 1, Buffer.alloc(1)));
    expect(events).toEqual(["reset"]);
    // RST_STREAM with FLOW_CONTROL_ERROR
    expect(sent().includes(frame(3, 0, 1, Buffer.from([0, 0, 0, 3])))).toBe(true);
  });

  it("allows as many bytes again once they have been read", () => {
    const { reader, calls, events, sent } = serving();
    reader.push(opening(1));
    calls[0]?.pause();
    // A message of 2 MiB, of which 1 MiB less its prefix fills the window.
    const message = framed(Buffer.alloc(2 ** 21));
    reader.push(frame(0, 0, 1, message.subarray(0, 2 ** 20)));
    expect(sent().includes(frame(8, 0, 1, Buffer.from([0, 0x10, 0, 0])))).toBe(false);
    calls[0]?.resume();
    expect(sent().includes(frame(8, 0, 1, Buffer.from([0, 0x10, 0, 0])))).toBe(true);
    reader.push(frame(0, 0, 1, message.subarray(2 ** 20, 2 ** 21)));
    expect(events).toEqual([]);
  });

  it.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["40m", 40],
    ["5000u", 5],
    ["6000000n", 6],
    // Timers have 2^31 - 1 ms at most.
    ["99999999H", 2 ** 31 - 1],
  ])("ends with a deadline of %s after %i ms", async (timeout, ms) => {
    const { reader, events, clock, sent } = serving();
    reader.push(opening(1, [["grpc-timeout", timeout]]));
    await clock.advance(ms - 1);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(["finished"]);
    expect(sent().includes(literalField("grpc-status", "4"))).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each(["", "5", "S", "123456789S", "1.5S", "-1S", "1s"])(
    "ends at once with a deadline that is no time: %j",
    (timeout) => {
      const { reader, events, clock, sent } = serving();
      reader.push(opening(1, [["grpc-timeout", timeout]]));
      expect(events).toEqual(["reset"]);
      expect(sent().includes(literalField("grpc-status", "13"))).toBe(true);
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it("forgets its deadline when it ends", () => {
    const { reader, calls, clock } = serving();
    reader.push(opening(1, [["grpc-timeout", "1H"]]));
    expect(clock.pendingTimers).toBe(1);
    calls[0]?.finish();
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends a stream that ends within a message", () => {
    const { reader, events, sent } = serving();
    reader.push(
      Buffer.concat([opening(1), frame(0, 1, 1, framed(Buffer.alloc(9)).subarray(0, 7))]),
    );
    expect(events).toEqual(["finished"]);
    expect(sent().includes(literalField("grpc-status", "13"))).toBe(true);
  });

  it("closes all calls when the connection ends", () => {
    const { reader, events, session } = serving();
    reader.push(Buffer.concat([opening(1), opening(3)]));
    session.end();
    expect(events).toEqual(["connection", "connection"]);
  });
});
