import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import {
  blockOf,
  frameOf,
  frameTypes,
  preface,
  settingsOf,
} from "../../../../loadtest/fuzz-http/http2-frames.ts";
import { FrameReader } from "./frame-reader.ts";
import { Output, Slabs } from "./output.ts";
import { ServerSession } from "./server-session.ts";
import type { ServerStream } from "./server-stream.ts";

const endHeaders = 0x4;
const acknowledged = 0x1;
const request = blockOf([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a"],
  [":authority", "picker"],
]);

/** A session whose client has sent its preface and settings. */
function aSession() {
  const clock = new FakeClock();
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(Buffer.from(chunk));
      done();
    },
  });
  const streams: ServerStream[] = [];
  const output = new Output(socket, new Slabs());
  const session = new ServerSession({
    output,
    clock,
    serve: (stream) => {
      streams.push(stream);
      return { data: () => undefined, ended: () => undefined, closed: () => undefined };
    },
    wantFlush: () => undefined,
    onFinished: () => undefined,
  });
  const reader = new FrameReader(session);
  reader.push(Buffer.concat([preface, settingsOf([])]));
  let opened = 0;
  const open = (count: number) => {
    for (let index = 0; index < count; index += 1) {
      reader.push(frameOf(frameTypes.headers, endHeaders, 2 * opened + 1, request));
      opened += 1;
    }
  };
  /** Payloads of the pings that were sent since the last call. */
  const pings = () => {
    output.flush();
    const bytes = Buffer.concat(written.splice(0));
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      if (bytes[at + 3] === frameTypes.ping) found.push(bytes.subarray(at + 9, at + 17));
    }
    return found;
  };
  const answer = (ping: Buffer) => reader.push(frameOf(frameTypes.ping, acknowledged, 0, ping));
  return { clock, streams, open, pings, answer };
}

describe("a session with many open streams", () => {
  it("measures by a ping how long bytes of its client wait", async () => {
    const { clock, streams, open, pings, answer } = aSession();
    open(255);
    expect(pings()).toEqual([]);
    open(1);
    const [first = Buffer.alloc(8), ...others] = pings();
    expect(others).toEqual([]);
    await clock.advance(5);
    answer(first);
    const pinged = async (afterMs: number) => {
      await clock.advance(100);
      open(1);
      const [ping = Buffer.alloc(8)] = pings();
      await clock.advance(afterMs);
      answer(ping);
      return streams.at(-1)?.arrivalDelayMs;
    };
    // One long wait may be a pause.
    expect(await pinged(705)).toBe(0);
    // The shorter of 705 and 805, without the 5 of the network.
    expect(await pinged(805)).toBe(700);
    expect(await pinged(7)).toBe(2);
  });

  it("does not take any other answer for that of its ping", async () => {
    const { clock, streams, open, pings, answer } = aSession();
    open(256);
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(900);
      answer(Buffer.from("whatever"));
    }
    expect(pings()).toHaveLength(1);
    expect(streams.at(-1)?.arrivalDelayMs).toBe(0);
  });
});
