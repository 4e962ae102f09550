import type { FuzzCase } from "./http1-cases.ts";
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
} from "./http2-frames.ts";
import type { Sent } from "./ledger.ts";
import type { Pick } from "./pick.ts";

interface Stream {
  readonly headers: readonly HeaderPair[];
  readonly body: string;
  readonly trailers: readonly HeaderPair[];
  /** Undefined if no engine may get it. */
  readonly allowed: Sent | undefined;
}

type Spoil = (headers: readonly HeaderPair[], id: string) => readonly HeaderPair[];

const add = (...pairs: readonly HeaderPair[]): Spoil => {
  return (headers) => [...headers, ...pairs];
};
const replaced = (name: string, value: (id: string) => string): Spoil => {
  return (headers, id) => headers.map((pair) => (pair[0] === name ? [name, value(id)] : pair));
};

/** Heads that make a request malformed (RFC 9113, section 8), or that would be unsafe in HTTP/1.1. */
const spoils: readonly Spoil[] = [
  add(["X-Upper", "a"]),
  add(["connection", "close"]),
  add(["transfer-encoding", "chunked"]),
  add(["upgrade", "h2c"]),
  add(["te", "gzip"]),
  add(["content-length", "1"]),
  add(["content-length", "+1"]),
  add([":path", "/other"]),
  add([":unknown", "a"]),
  add([":status", "200"]),
  add(["host", "a"], ["host", "b"]),
  (headers) => [["x-first", "a"], ...headers],
  (headers) => headers.filter(([name]) => name !== ":path"),
  (headers) => headers.filter(([name]) => name !== ":method"),
  (headers) => headers.filter(([name]) => name !== ":scheme"),
  replaced(":path", () => ""),
  replaced(":path", () => "*"),
  replaced(":path", (id) => `f/${id}`),
  replaced(":path", (id) => `/f/${id} HTTP/1.1\r\nX-A: b`),
  replaced(":path", (id) => `/f/${id}\0`),
  replaced(":path", (id) => `/f/${id}#g`),
  replaced(":path", (id) => `http://evil.example/f/${id}`),
  replaced(":method", () => "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"),
  replaced(":method", () => "G T"),
  replaced(":method", () => "CONNECT"),
  replaced(":authority", () => "a\r\nX: b"),
  replaced(":authority", () => "user@127.0.0.1"),
  replaced(":authority", () => "a b"),
];

/** Headers that may arrive or not, but never as something else. */
const oddHeaders: readonly HeaderPair[] = [
  ["x-a", "a\r\nx-b: c"],
  ["x-a", "a\nb"],
  ["x-a", "a\0b"],
  ["x-a\r\nx-b", "c"],
  ["x a", "b"],
  ["x:a", "b"],
  ["", "b"],
  ["x-a", " b "],
  ["x-a", "\xff\x80"],
  ["x-a", "b".repeat(9_000)],
  ["__proto__", "a"],
  ["x-forwarded-host", "evil"],
  ["x-gateway-destination-endpoint", "127.0.0.1:1"],
  ["cookie", "a=1"],
  ["content-encoding", "gzip, br"],
];

/** Frames that are out of place, wrong, or only many. */
const intruders: readonly ((pick: Pick) => Buffer)[] = [
  (pick) => frameOf(frameTypes.ping, 0, 0, Buffer.alloc(pick.of([8, 8, 7, 0]))),
  () =>
    Buffer.concat(
      Array.from({ length: 3_000 }, () => frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8))),
    ),
  () => Buffer.concat(Array.from({ length: 3_000 }, () => settingsOf([]))),
  (pick) => settingsOf([[pick.below(10), pick.below(2 ** 31)]]),
  (pick) => settingsOf([[4, pick.of([0, 1, 2 ** 31 - 1, 2 ** 31])]]),
  (pick) =>
    frameOf(
      frameTypes.windowUpdate,
      0,
      pick.of([0, 1, 3, 99]),
      uint32(pick.of([0, 1, 2 ** 31 - 1])),
    ),
  (pick) => frameOf(frameTypes.reset, 0, pick.of([0, 1, 3, 99]), uint32(pick.below(20))),
  (pick) => frameOf(frameTypes.priority, 0, 1 + 2 * pick.below(50), Buffer.alloc(pick.of([5, 4]))),
  (pick) =>
    frameOf(frameTypes.continuation, pick.of([0, endHeaders]), pick.of([0, 1, 3]), Buffer.alloc(3)),
  (pick) => frameOf(frameTypes.goAway, 0, 0, Buffer.from(pick.bytes(8), "latin1")),
  () =>
    frameOf(
      frameTypes.pushPromise,
      endHeaders,
      1,
      Buffer.concat([uint32(2), blockOf([[":method", "GET"]])]),
    ),
  (pick) =>
    frameOf(
      10 + pick.below(240),
      pick.below(256),
      pick.below(8),
      Buffer.from(pick.bytes(20), "latin1"),
    ),
  (pick) => frameOf(frameTypes.data, 0, pick.of([0, 2, 99]), Buffer.from("x")),
  () =>
    Buffer.concat([
      frameOf(frameTypes.headers, 0, 41, Buffer.alloc(0)),
      ...Array.from({ length: 200 }, () =>
        frameOf(frameTypes.continuation, 0, 41, Buffer.alloc(0)),
      ),
    ]),
  (pick) => Buffer.from(pick.bytes(1 + pick.below(60)), "latin1"),
  () => Buffer.from("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
  (pick) => resets(pick, 200),
];

/** Frames of one connection of HTTP/2; `nextId` names each request in it. */
export function http2CaseOf(pick: Pick, nextId: () => string): FuzzCase {
  const kinds = new Set<string>();
  const frames: Buffer[] = [settingsOf([])];
  const allowed: Sent[] = [];
  const count = 1 + pick.below(4);
  for (let index = 0; index < count; index += 1) {
    const stream = streamOf(pick, nextId, kinds);
    if (stream.allowed !== undefined) allowed.push(stream.allowed);
    if (pick.chance(0.15)) {
      kinds.add("intruder");
      frames.push(pick.of(intruders)(pick));
    }
    frames.push(...framesOf(stream, 1 + 2 * index, pick));
  }
  if (pick.chance(0.2)) {
    kinds.add("frame");
    spoilFrame(frames, pick);
  }
  const sent = [preface, ...frames];
  const isCut = pick.chance(0.1);
  const whole = Buffer.concat(sent);
  if (isCut) kinds.add("cut");
  return {
    kind: `http2 ${[...kinds].join("+") || "valid"}`,
    bytes: isCut ? whole.subarray(0, pick.below(whole.length)) : whole,
    allowed,
    isValid: kinds.size === 0,
  };
}

function streamOf(pick: Pick, nextId: () => string, kinds: Set<string>): Stream {
  const id = nextId();
  const isChat = pick.chance(0.4);
  const hidden = `0\r\n\r\nGET /smuggled/${nextId()} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const chat = JSON.stringify({
    model: "sim-model",
    messages: [{ role: "user", content: id }],
    max_tokens: 2,
    stream: pick.chance(0.5),
  });
  const body = isChat ? chat : pick.of([hidden, id, ""]);
  const method = isChat ? "POST" : pick.of(["POST", "GET", "PUT"]);
  const path = isChat ? `/v1/chat/completions?id=${id}` : `/f/${id}`;
  const headers: HeaderPair[] = [
    [":method", method],
    [":scheme", "http"],
    [":authority", "127.0.0.1"],
    [":path", path],
    ["content-type", isChat ? "application/json" : "text/plain"],
    ["x-fuzz", id],
    ["content-length", String(body.length)],
  ];
  const allowed = { method, target: path, headers: headers.slice(4), body };
  const base = { headers, body, trailers: [], allowed };
  if (pick.chance(0.35)) {
    kinds.add("malformed");
    return { ...base, headers: pick.of(spoils)(headers, id), allowed: undefined };
  }
  if (pick.chance(0.3)) {
    kinds.add("odd header");
    const odd = pick.of(oddHeaders);
    const withOdd = { ...allowed, headers: [...allowed.headers, odd] };
    return { ...base, headers: [...headers, odd], allowed: withOdd };
  }
  if (pick.chance(0.1)) {
    kinds.add("length");
    return { ...base, body: `${body}x`, allowed: undefined };
  }
  if (pick.chance(0.1)) {
    kinds.add("trailers");
    const pairs: readonly HeaderPair[] = [
      ["x-t", "1"],
      ["content-length", "9"],
      [":path", "/t"],
    ];
    return { ...base, trailers: [pick.of(pairs)] };
  }
  return base;
}

function framesOf({ headers, body, trailers }: Stream, id: number, pick: Pick): Buffer[] {
  const block = blockOf(headers);
  const cut = pick.chance(0.2) ? pick.below(block.length) : block.length;
  const ends = body === "" && trailers.length === 0 ? endStream : 0;
  const isWhole = cut === block.length;
  const frames = [
    frameOf(frameTypes.headers, ends | (isWhole ? endHeaders : 0), id, block.subarray(0, cut)),
    ...(isWhole ? [] : [frameOf(frameTypes.continuation, endHeaders, id, block.subarray(cut))]),
  ];
  const bytes = Buffer.from(body, "latin1");
  for (let at = 0; at < bytes.length;) {
    const size = Math.min(bytes.length - at, 1 + pick.below(200));
    const isLast = at + size === bytes.length && trailers.length === 0;
    frames.push(
      frameOf(frameTypes.data, isLast ? endStream : 0, id, bytes.subarray(at, at + size)),
    );
    at += size;
  }
  if (trailers.length > 0) {
    frames.push(frameOf(frameTypes.headers, endStream | endHeaders, id, blockOf(trailers)));
  }
  return frames;
}

/** Changes one byte of the head of a frame: its length, type, flags or stream. */
function spoilFrame(frames: Buffer[], pick: Pick): void {
  const frame = pick.of(frames);
  frame[pick.below(9)] = pick.below(256);
}

function resets(pick: Pick, count: number): Buffer {
  const frames: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = 101 + 2 * index;
    const block = blockOf([
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "127.0.0.1"],
      [":path", "/v1/models"],
    ]);
    frames.push(frameOf(frameTypes.headers, endStream | endHeaders, id, block));
    frames.push(frameOf(frameTypes.reset, 0, id, uint32(pick.below(14))));
  }
  return Buffer.concat(frames);
}
