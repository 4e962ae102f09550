import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  type HeaderPair,
  preface,
  settingsOf,
  uint32,
} from "../../loadtest/fuzz-http/http2-frames.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";

let engine: Awaited<ReturnType<typeof startScriptedEngine>>;
let gateway: Awaited<ReturnType<typeof startHttpGateway>>;

beforeAll(async () => {
  engine = await startScriptedEngine((_, response) => void response.end("ok"));
  gateway = await startHttpGateway({ engines: [engine.port], http: { headBytesMax: 65_536 } });
});

afterAll(async () => {
  await gateway.close();
  await engine.close();
});

const get: readonly HeaderPair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "a"],
  [":path", "/p"],
];
const post = replaced(":method", "POST");
const frameBytesMax = 16_384;
const smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

function replaced(name: string, value: string): readonly HeaderPair[] {
  return get.map((pair): HeaderPair => (pair[0] === name ? [name, value] : pair));
}

/** A request without a body. A large head takes several frames. */
function alone(headers: readonly HeaderPair[]): Buffer {
  const block = blockOf(headers);
  const parts = Array.from({ length: Math.ceil(block.length / frameBytesMax) }, (_, index) =>
    block.subarray(index * frameBytesMax, (index + 1) * frameBytesMax),
  );
  return Buffer.concat(
    parts.map((part, index) => {
      const ends = index === parts.length - 1 ? endHeaders : 0;
      return index === 0
        ? frameOf(frameTypes.headers, endStream | ends, 1, part)
        : frameOf(frameTypes.continuation, ends, 1, part);
    }),
  );
}

function withBody(headers: readonly HeaderPair[], body: string): Buffer {
  return Buffer.concat([
    frameOf(frameTypes.headers, endHeaders, 1, blockOf(headers)),
    frameOf(frameTypes.data, endStream, 1, Buffer.from(body)),
  ]);
}

const data = (flags: number, text: string) => frameOf(frameTypes.data, flags, 1, Buffer.from(text));

interface Frame {
  readonly type: number;
  readonly flags: number;
}

/** Types of the frames that come back up to the last one, or until the connection closes. */
async function answerTo(frames: Buffer, isLast = endsStream): Promise<readonly number[]> {
  const socket = connect(gateway.port, "127.0.0.1");
  let received = Buffer.alloc(0);
  socket.on("error", () => undefined);
  socket.setTimeout(20_000, () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (framesIn(received).some(isLast)) socket.destroy();
  });
  socket.on("end", () => socket.destroy());
  socket.write(Buffer.concat([preface, settingsOf([]), frames]));
  await once(socket, "close");
  return framesIn(received).map(({ type }) => type);
}

function endsConnection({ type }: Frame): boolean {
  return type === frameTypes.goAway;
}

function endsStream({ type, flags }: Frame): boolean {
  if (type === frameTypes.reset || type === frameTypes.goAway) return true;
  return (type === frameTypes.data || type === frameTypes.headers) && (flags & endStream) !== 0;
}

function framesIn(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    frames.push({ type: bytes[at + 3] ?? 0, flags: bytes[at + 4] ?? 0 });
  }
  return frames;
}

function many(frame: Buffer, count = 5_000): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame));
}

function repeated(count: number, value: string): readonly HeaderPair[] {
  return Array.from({ length: count }, () => ["a", value] as const);
}

describe("a head of HTTP/2", () => {
  it.each<[string, readonly HeaderPair[]]>([
    ["a name in upper case", [...get, ["X-A", "b"]]],
    ["a connection", [...get, ["connection", "close"]]],
    ["a transfer coding", [...get, ["transfer-encoding", "chunked"]]],
    ["an upgrade", [...get, ["upgrade", "h2c"]]],
    ["other transfer codings to accept", [...get, ["te", "gzip"]]],
    ["a path twice", [...get, [":path", "/q"]]],
    ["a late pseudo-header", [["x-a", "b"], ...get]],
    ["an unknown pseudo-header", [...get, [":a", "b"]]],
    ["no path", get.slice(0, 3)],
    ["a path without a slash", replaced(":path", "p")],
    ["a path with a line end", replaced(":path", "/p HTTP/1.1\r\nX-A: b")],
    ["a path with a fragment", replaced(":path", "/p#q")],
    ["a path with NUL", replaced(":path", "/p\0")],
    ["an absolute path", replaced(":path", "http://evil.example/p")],
    ["a method with a line end", replaced(":method", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET")],
    ["CONNECT", [[":method", "CONNECT"] as const, [":authority", "evil.example:443"] as const]],
    ["an authority with a line end", replaced(":authority", "a\r\nX-A: b")],
    ["an authority with a user", replaced(":authority", "user@a")],
    ["two hosts", [...get, ["host", "a"], ["host", "b"]]],
    ["a length without a body", [...post, ["content-length", "5"]]],
    ["a list of lengths", [...get, ["content-length", "0, 0"]]],
    ["more headers than it may have", [...get, ...repeated(250, "b")]],
    ["more bytes than it may have", [...get, ...repeated(8, "b".repeat(9_000))]],
  ])("with %s reaches no engine", async (_, headers) => {
    const before = engine.seen.length;
    await answerTo(alone(headers));
    expect(engine.seen.length).toBe(before);
  });

  it.each<[string, HeaderPair]>([
    ["a line end in a value", ["x-a", "b\r\nx-c: d"]],
    ["NUL in a value", ["x-a", "b\0"]],
    ["a line end in a name", ["x-a\r\nx-c", "d"]],
  ])("with %s loses that header", async (_, pair) => {
    const before = engine.seen.length;
    await answerTo(alone([...get, pair]));
    expect(engine.seen.length).toBe(before + 1);
    const { headers = {} } = engine.seen.at(-1) ?? {};
    expect(Object.keys(headers).filter((name) => name.startsWith("x-a") || name === "x-c")).toEqual(
      [],
    );
  });
});

describe("a body of HTTP/2", () => {
  it.each([
    ["shorter", "9"],
    ["longer", "2"],
  ])("that is %s than its length reaches no engine", async (_, length) => {
    const before = engine.seen.length;
    await answerTo(withBody([...post, ["content-length", length]], "abc"));
    expect(engine.seen.length).toBe(before);
  });

  const completion = post.map((pair): HeaderPair =>
    pair[0] === ":path" ? [":path", "/v1/completions"] : pair,
  );
  const opening = Buffer.concat([
    preface,
    settingsOf([]),
    frameOf(frameTypes.headers, endHeaders, 1, blockOf(completion)),
  ]);
  // Beyond its first byte, a body that is no object is passed on as it comes.
  it.each([
    ["within its last frame", '{"model":"m"}', data(endStream, "0123456789").subarray(0, -4)],
    ["before its last frame", '{"model":"m"}', data(0, "0123456789")],
    ["within its last frame, while it is passed on", "text", data(endStream, "01").subarray(0, -1)],
    ["before its last frame, while it is passed on", "text", data(0, "0123456789")],
  ])("that ends %s never looks complete to an engine", async (_, first, last) => {
    // The engine has an unused connection, on which a request leaves at once.
    await answerTo(alone(get));
    const before = engine.seen.length;
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write(Buffer.concat([opening, data(0, first)]));
    await systemClock.sleep(50);
    socket.end(last);
    await once(socket, "close");
    await systemClock.sleep(50);
    await answerTo(alone(get));
    expect(engine.seen.slice(before)).toMatchObject([{ method: "GET" }]);
  });

  it.each(["GET", "POST"])("that looks like a request is the body of a %s", async (method) => {
    const before = engine.seen.length;
    await answerTo(withBody(replaced(":method", method), smuggled));
    expect(engine.seen.slice(before)).toMatchObject([{ method, url: "/p" }]);
    expect(engine.seen.at(-1)?.body.toString()).toBe(smuggled);
  });
});

describe("a connection of HTTP/2", () => {
  const nothing = Buffer.alloc(0);
  const open = frameOf(frameTypes.headers, endHeaders, 1, blockOf(post));

  it.each<[string, Buffer]>([
    ["SETTINGS", many(settingsOf([]))],
    ["PING", many(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)))],
    ["empty DATA", Buffer.concat([open, many(frameOf(frameTypes.data, 0, 1, nothing), 20_000)])],
    [
      "CONTINUATION",
      Buffer.concat([
        frameOf(frameTypes.headers, 0, 1, blockOf(get)),
        many(frameOf(frameTypes.continuation, 0, 1, nothing)),
      ]),
    ],
    [
      "resets",
      Buffer.concat(
        Array.from({ length: 3_000 }, (_, index) => {
          const id = 1 + 2 * index;
          const head = frameOf(frameTypes.headers, endStream | endHeaders, id, blockOf(get));
          return Buffer.concat([head, frameOf(frameTypes.reset, 0, id, uint32(8))]);
        }),
      ),
    ],
    ["a window of 0 bytes more", frameOf(frameTypes.windowUpdate, 0, 0, uint32(0))],
    ["a promise", frameOf(frameTypes.pushPromise, endHeaders, 1, uint32(2))],
  ])("ends because of %s", async (_, frames) => {
    expect(await answerTo(frames, endsConnection)).toContain(frameTypes.goAway);
    const response = await fetch(`${gateway.origin}/p`);
    expect(response.status).toBe(200);
    await response.text();
  });
});
