import { afterEach, describe, expect, it } from "vitest";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  preface,
  settingsOf,
  uint32,
} from "../../loadtest/fuzz-http/http2-frames.ts";
import {
  bodylessRequest,
  data,
  greeting,
  openStream,
  processHeaders,
  RawHttp2,
  reset,
  windowUpdate,
} from "#test/support/raw-http2.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { aTransport } from "#test/support/transports.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

/** A port of our own frames that answers nothing, and a client of it. */
async function serving() {
  const clock = new FakeClock();
  let openStreams = 0;
  let received = 0;
  const transport = await aTransport(
    "http2",
    () => {
      openStreams += 1;
      return {
        receive: () => void (received += 1),
        close: () => void (openStreams -= 1),
      };
    },
    { clock },
  );
  opened.push(() => transport.abort());
  const port = await transport.listen("127.0.0.1", 0);
  const client = new RawHttp2(port);
  opened.push(() => client.close());
  return {
    client,
    clock,
    port,
    transport,
    openStreams: () => openStreams,
    received: () => received,
  };
}

const codes = {
  protocol: 1,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  compression: 9,
  calm: 11,
};

const { data: dataType, headers, priority, settings, ping, continuation } = frameTypes;
const empty = Buffer.alloc(0);
const request = openStream(1);
const many = (count: number, frame: Buffer) => Array.from({ length: count }, () => frame);

describe("a mistake of a client ends its connection with the code of RFC 9113", () => {
  it.each([
    ["no settings first", [preface, frameOf(ping, 0, 0, Buffer.alloc(8))], codes.protocol],
    ["an acknowledgement first", [preface, frameOf(settings, 1, 0, empty)], codes.protocol],
    ["HTTP/1", [Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n")], codes.protocol],
    ["data of no stream", [greeting, data(0, empty)], codes.protocol],
    ["data of a stream that was never opened", [greeting, data(3, empty)], codes.protocol],
    ["headers of no stream", [greeting, frameOf(headers, 4, 0, empty)], codes.protocol],
    ["a stream with an even number", [greeting, openStream(2)], codes.protocol],
    ["settings of a stream", [greeting, frameOf(settings, 0, 1, empty)], codes.protocol],
    [
      "settings of five bytes",
      [greeting, frameOf(settings, 0, 0, Buffer.alloc(5))],
      codes.frameSize,
    ],
    [
      "an acknowledgement with bytes",
      [greeting, frameOf(settings, 1, 0, Buffer.alloc(6))],
      codes.frameSize,
    ],
    ["a push that is neither on nor off", [greeting, settingsOf([[2, 2]])], codes.protocol],
    ["a window of 2^31", [greeting, settingsOf([[4, 2 ** 31]])], codes.flowControl],
    ["frames that are too small", [greeting, settingsOf([[5, 16_383]])], codes.protocol],
    ["frames that are too large", [greeting, settingsOf([[5, 2 ** 24]])], codes.protocol],
    ["a ping of seven bytes", [greeting, frameOf(ping, 0, 0, Buffer.alloc(7))], codes.frameSize],
    ["a ping of a stream", [greeting, frameOf(ping, 0, 1, Buffer.alloc(8))], codes.protocol],
    [
      "a reset of three bytes",
      [greeting, request, frameOf(3, 0, 1, Buffer.alloc(3))],
      codes.frameSize,
    ],
    ["a reset of a stream that was never opened", [greeting, reset(5)], codes.protocol],
    ["a reset of no stream", [greeting, reset(0)], codes.protocol],
    [
      "a window update of five bytes",
      [greeting, frameOf(8, 0, 0, Buffer.alloc(5))],
      codes.frameSize,
    ],
    ["a window update of nothing", [greeting, windowUpdate(0, 0)], codes.protocol],
    ["a window that overflows", [greeting, windowUpdate(0, 2 ** 31 - 1)], codes.flowControl],
    [
      "a window of a stream that settings overflow",
      [greeting, request, windowUpdate(1, 2 ** 31 - 70_000), settingsOf([[4, 2 ** 20]])],
      codes.flowControl,
    ],
    ["a window of a stream that was never opened", [greeting, windowUpdate(7, 1)], codes.protocol],
    ["a push", [greeting, frameOf(5, 4, 1, Buffer.alloc(8))], codes.protocol],
    ["more of no headers", [greeting, frameOf(continuation, 4, 1, empty)], codes.protocol],
    [
      "a frame between headers",
      [greeting, frameOf(headers, 0, 1, empty), data(1, empty)],
      codes.protocol,
    ],
    [
      "headers that go on in another stream",
      [greeting, frameOf(headers, 0, 1, empty), frameOf(continuation, 4, 3, empty)],
      codes.protocol,
    ],
    [
      "more padding of headers than payload",
      [greeting, frameOf(headers, 0xc, 1, Buffer.from([9, 0x82]))],
      codes.protocol,
    ],
    [
      "more padding of data than payload",
      [greeting, request, data(1, Buffer.from([2, 0]), 8)],
      codes.protocol,
    ],
    [
      "a frame of more than 1 MiB",
      [greeting, request, data(1, Buffer.alloc(2 ** 20 + 1))],
      codes.frameSize,
    ],
    [
      "broken header compression",
      [greeting, frameOf(headers, endHeaders, 1, Buffer.from([0x80]))],
      codes.compression,
    ],
    [
      "broken header compression of trailers",
      [greeting, request, frameOf(headers, 5, 1, Buffer.from([0xff]))],
      codes.compression,
    ],
    [
      "a table that is too large",
      [greeting, frameOf(headers, endHeaders, 1, Buffer.from([0x3f, 0xe2, 0x1f]))],
      codes.compression,
    ],
  ])("%s", async (_, frames, code) => {
    const { client, openStreams } = await serving();
    client.send(...frames);
    expect(await client.goAwayCode()).toBe(code);
    await eventually("the streams have closed", () => openStreams() === 0 || undefined);
  });
});

const malformedRequests: readonly (readonly [string, Buffer])[] = [
  ["no method", blockOf(processHeaders.filter(([name]) => name !== ":method"))],
  ["no path", blockOf(processHeaders.filter(([name]) => name !== ":path"))],
  ["no scheme", blockOf(processHeaders.filter(([name]) => name !== ":scheme"))],
  [
    "an empty path",
    blockOf(processHeaders.map(([name, value]) => [name, name === ":path" ? "" : value])),
  ],
  ["two methods", blockOf([[":method", "POST"], ...processHeaders])],
  ["an unknown pseudo-header", blockOf([[":status", "200"], ...processHeaders])],
  ["a pseudo-header after others", blockOf([["x", "y"], ...processHeaders])],
  ["a name in upper case", blockOf([...processHeaders, ["X-A", "1"]])],
  ["an empty name", blockOf([...processHeaders, ["", "1"]])],
  ["a line break in a value", blockOf([...processHeaders, ["x-a", "1\r\nx-b: 2"]])],
  ["a NUL in a value", blockOf([...processHeaders, ["x-a", "\0"]])],
  ["a header of a connection", blockOf([...processHeaders, ["connection", "close"]])],
  ["te of another value", blockOf([...processHeaders, ["te", "gzip"]])],
  ["a content-length of no number", blockOf([...processHeaders, ["content-length", "-1"]])],
];

describe("a mistake within a stream ends it alone", () => {
  it.each([
    ...malformedRequests.map(
      ([name, block]) => [name, [frameOf(headers, endHeaders, 1, block)], codes.protocol] as const,
    ),
    ["a window update of nothing", [request, windowUpdate(1, 0)], codes.protocol],
    ["a window that overflows", [request, windowUpdate(1, 2 ** 31 - 1)], codes.flowControl],
    [
      "trailers that do not end it",
      [request, frameOf(headers, endHeaders, 1, blockOf([["x", "y"]]))],
      codes.protocol,
    ],
    [
      "trailers with a method",
      [request, frameOf(headers, 5, 1, blockOf([[":method", "GET"]]))],
      codes.protocol,
    ],
    [
      "less data than content-length says",
      [openStream(1, { headers: [["content-length", "9"]] }), data(1, Buffer.from("x"), endStream)],
      codes.protocol,
    ],
    [
      "more data than content-length says",
      [openStream(1, { headers: [["content-length", "0"]] }), data(1, Buffer.from("x"))],
      codes.protocol,
    ],
  ] as const)("%s", async (_, frames, code) => {
    const { client, received, openStreams } = await serving();
    client.send(greeting, ...frames, openStream(3), data(3, bodylessRequest));
    await eventually("another stream is served", () => received() === 1 || undefined);
    expect(await client.resetCode(1)).toBe(code);
    expect([client.isClosed, openStreams()]).toEqual([false, 1]);
  });

  it("more data than its window, which it has to wait for", async () => {
    const { client, received } = await serving();
    client.send(greeting, request);
    // A message of 2 MiB begins; the window is 1 MiB, of which half comes back when it has been read.
    client.send(data(1, Buffer.from([0, 0, 0x20, 0, 0])));
    client.send(...many(15, data(1, Buffer.alloc(100_000))));
    client.send(openStream(3), data(3, bodylessRequest));
    await eventually("another stream is served", () => received() === 1 || undefined);
    const update = await client.frame(8, ({ stream }) => stream === 1);
    // At least half of the window has been read.
    expect(update.payload.readUInt32BE(0)).toBeGreaterThanOrEqual(524_288);
  });

  it("headers that are too large get HTTP status 431", async () => {
    const { client, received } = await serving();
    const large = "v".repeat(15_000);
    const headersOf = (stream: number) => openStream(stream, { headers: [["x", large]] });
    client.send(greeting, headersOf(1), data(1, bodylessRequest));
    await eventually("15 KB are served", () => received() === 1 || undefined);
    const block = blockOf([
      ...processHeaders,
      ...Array.from({ length: 2_000 }, (_, index) => [`x${index}`, "y"] as const),
    ]);
    client.send(frameOf(headers, endHeaders, 3, block));
    expect((await client.end(3)).payload.toString("latin1")).toContain("431");
  });
});

describe("a flood ends its connection with ENHANCE_YOUR_CALM", () => {
  /** A literal of 4,000 bytes that the table keeps, and references to it. */
  const bomb = Buffer.concat([
    Buffer.from([0x40, 0x01, 0x61, 0x7f, 0xa1, 0x1e]),
    Buffer.alloc(4_000, "b"),
    Buffer.alloc(10_000, 0xbe),
  ]);
  const opensAndResets = Array.from({ length: 11_000 }, (_, index) =>
    Buffer.concat([openStream(2 * index + 1), reset(2 * index + 1)]),
  );

  it.each([
    ["of pings", many(11_000, frameOf(ping, 0, 0, Buffer.alloc(8)))],
    ["of settings", many(11_000, settingsOf([[4, 1]]))],
    ["of acknowledgements", many(11_000, frameOf(settings, 1, 0, empty))],
    ["of empty data", [request, ...many(11_000, data(1, empty))]],
    ["of priorities", many(11_000, frameOf(priority, 0, 1, Buffer.alloc(5)))],
    ["of unknown frames", many(11_000, frameOf(0x77, 0, 0, empty))],
    ["of streams that are reset at once", opensAndResets],
    [
      "of frames of a stream that is gone",
      [request, reset(1), ...many(11_000, windowUpdate(1, 1))],
    ],
    [
      "of headers in empty frames",
      [frameOf(headers, 0, 1, empty), ...many(70, frameOf(continuation, 0, 1, empty))],
    ],
    [
      "of headers without an end",
      [
        frameOf(headers, 0, 1, empty),
        ...many(70, frameOf(continuation, 0, 1, Buffer.alloc(10_000))),
      ],
    ],
    ["of headers that expand", [frameOf(headers, endHeaders, 1, bomb)]],
  ])("%s", async (_, frames) => {
    const { client, openStreams } = await serving();
    client.send(greeting, ...frames);
    expect(await client.goAwayCode()).toBe(codes.calm);
    await eventually("the streams have closed", () => openStreams() === 0 || undefined);
  });

  it("but not if it is as slow as a thousand frames a second", async () => {
    const { client, clock } = await serving();
    const pings = many(1_000, frameOf(ping, 0, 0, Buffer.alloc(8)));
    client.send(greeting);
    for (let second = 1; second <= 30; second += 1) {
      client.send(...pings);
      await eventually("they are answered", () =>
        client.frames.filter(({ type }) => type === ping).length === second * 1_000
          ? true
          : undefined,
      );
      await clock.advance(1_000);
    }
    expect(client.isClosed).toBe(false);
  });

  it("and neither do streams that are reset after a message", async () => {
    const { client, received } = await serving();
    client.send(greeting);
    for (let round = 0; round < 30; round += 1) {
      const ids = Array.from({ length: 1_000 }, (_, index) => 2 * (round * 1_000 + index) + 1);
      // Empty data and frames of streams that are gone are usual at the end of a stream.
      client.send(
        ...ids.flatMap((id) => [
          openStream(id),
          data(id, bodylessRequest),
          data(id, empty),
          reset(id),
          reset(id),
        ]),
      );
      await eventually("all are served", () =>
        received() === (round + 1) * 1_000 ? true : undefined,
      );
    }
    expect(client.isClosed).toBe(false);
  });
});

describe("a connection", () => {
  it("is closed if no preface has come in 10 s", async () => {
    const { client, clock } = await serving();
    client.send(preface.subarray(0, 10));
    await client.frame(settings);
    await clock.advance(9_999);
    expect(client.isClosed).toBe(false);
    await clock.advance(1);
    await eventually("the end", () => client.isClosed || undefined);
  });

  it("is closed 1 s after its last words if the client does not close it", async () => {
    const { client, clock, transport } = await serving();
    client.send(greeting, request, data(0, empty));
    await client.goAwayCode();
    expect(transport.openRequests).toBe(0);
    await clock.advance(1_000);
    await eventually("the end", () => client.isClosed || undefined);
    expect(clock.pendingTimers).toBe(0);
  });

  it("that goes away serves what was begun before the client knew, and refuses the rest", async () => {
    const { client, transport, received } = await serving();
    client.send(greeting, request, data(1, bodylessRequest));
    await eventually("a message", () => received() === 1 || undefined);
    transport.goAway();
    const first = await client.frame(frameTypes.goAway);
    expect(first.payload).toEqual(Buffer.concat([uint32(2 ** 31 - 1), uint32(0)]));
    const probe = await client.frame(ping);
    client.send(openStream(3), data(3, bodylessRequest));
    await eventually("a message of a stream begun meanwhile", () =>
      received() === 2 ? true : undefined,
    );
    client.send(frameOf(ping, 1, 0, probe.payload));
    const second = await client.frame(frameTypes.goAway, (frame) => frame !== first);
    expect(second.payload).toEqual(Buffer.concat([uint32(3), uint32(0)]));
    client.send(openStream(5));
    expect(await client.resetCode(5)).toBe(codes.refused);
    client.send(reset(1), reset(3));
    await eventually("the end", () => client.isClosed || undefined);
  });

  it("ends its streams when its client ends its side", async () => {
    const { client, openStreams } = await serving();
    client.send(greeting, request, data(1, bodylessRequest));
    await eventually("a stream", () => openStreams() === 1 || undefined);
    client.halfClose();
    const isClosed = await eventually("no stream", () => openStreams() === 0 || undefined);
    expect(isClosed).toBe(true);
  });

  it("tells a client that shrinks its table that none is used", async () => {
    const { client } = await serving();
    client.send(preface, settingsOf([[1, 0]]), openStream(1, { headers: [[":path", "/a"]] }));
    client.send(openStream(3, { headers: [[":path", "/a"]] }));
    expect((await client.end(1)).payload[0]).toBe(0x20);
    expect((await client.end(3)).payload[0]).toBe(0x88);
  });

  it("takes settings and data cut at any byte", async () => {
    const { client, received } = await serving();
    const bytes = Buffer.concat([greeting, request, frameOf(dataType, 0, 1, bodylessRequest)]);
    for (const byte of bytes) client.send(Buffer.from([byte]));
    expect(await eventually("a message", () => received() === 1 || undefined)).toBe(true);
  });
});
