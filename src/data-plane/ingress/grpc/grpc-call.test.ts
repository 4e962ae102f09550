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
function serving({ echoes = false } = {}) {
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
              message: (bytes, start, end) => {
                const message = Buffer.from(bytes.subarray(start, end));
                messages.push(message);
                const echo = framed(message);
                if (echoes) call.send({ bytes: echo, start: 0, end: 5, tail: message });
              },
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

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The data in frames that were sent. */
function dataIn(bytes: Buffer): Buffer {
  const data: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3] === 0) data.push(bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3)));
  }
  return Buffer.concat(data);
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

  const step = fc.oneof(
    fc.record({
      kind: fc.constant("message" as const),
      amount: fc.integer({ min: 0, max: 30_000 }),
    }),
    fc.record({
      kind: fc.constant("window" as const),
      amount: fc.integer({ min: 1, max: 60_000 }),
    }),
    fc.record({
      kind: fc.constant("settings" as const),
      amount: fc.integer({ min: 0, max: 90_000 }),
    }),
    fc.record({ kind: fc.constant("pause" as const), amount: fc.constant(0) }),
    fc.record({ kind: fc.constant("resume" as const), amount: fc.constant(0) }),
  );

  it("answers all messages in their order, whatever windows the client gives", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { reader, messages, calls, events, sent } = serving({ echoes: true });
        reader.push(opening(1));
        const expected: Buffer[] = [];
        for (const [index, { kind, amount }] of steps.entries()) {
          const message = framed(Buffer.alloc(amount, index));
          if (kind === "message") {
            expected.push(message);
            reader.push(frame(0, 0, 1, message));
          } else if (kind === "window") {
            reader.push(
              Buffer.concat([frame(8, 0, 1, uint32(amount)), frame(8, 0, 0, uint32(amount))]),
            );
          } else if (kind === "settings") {
            reader.push(frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(amount)])));
          } else calls[0]?.[kind]();
        }
        reader.push(frame(0, 1, 1, Buffer.alloc(0)));
        calls[0]?.resume();
        reader.push(
          Buffer.concat([frame(8, 0, 0, uint32(2 ** 30)), frame(8, 0, 1, uint32(2 ** 30))]),
        );
        expect(messages).toHaveLength(expected.length);
        expect(dataIn(sent()).equals(Buffer.concat(expected))).toBe(true);
        expect(events).toEqual(["ended"]);
      }),
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

  it("keeps the order of messages when a part of the answers that wait is sent", () => {
    const { reader, messages, calls, events } = serving();
    reader.push(Buffer.concat([frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), opening(1)]));
    reader.push(frame(8, 0, 0, Buffer.from([0, 1, 0, 0])));
    // 100,000 bytes wait, more than the 65,536 beyond which nothing is read.
    const answer = framed(Buffer.alloc(99_995));
    calls[0]?.send({ bytes: answer, start: 0, end: answer.length, tail: new Uint8Array(0) });
    const say = (text: string, flags = 0) =>
      reader.push(frame(0, flags, 1, framed(Buffer.from(text))));
    say("a");
    expect(messages).toEqual([]);
    // 50,000 are left, which is less; "a" comes first all the same.
    reader.push(frame(8, 0, 1, Buffer.from([0, 0, 0xc3, 0x50])));
    say("b", 1);
    reader.push(frame(8, 0, 1, Buffer.from([0, 0, 0xc3, 0x50])));
    expect([messages.map(String), events]).toEqual([["a", "b"], ["ended"]]);
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
