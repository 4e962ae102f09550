import type { Sent } from "./ledger.ts";
import type { Pick } from "./pick.ts";
import { strictRequestsIn } from "./strict-http.ts";

/** Bytes of one connection, and the requests that an engine may get because of them. */
export interface FuzzCase {
  readonly kind: string;
  readonly bytes: Buffer;
  readonly allowed: readonly Sent[];
  /** True for a case that a server must answer like any other. */
  readonly isValid: boolean;
}

interface Draft {
  method: string;
  target: string;
  version: string;
  headers: (readonly [name: string, value: string])[];
  /** Lines of headers as they are sent, after the others. */
  rawLines: string[];
  framing: "none" | "length" | "chunks";
  body: string;
  extension: string;
  trailers: string;
}

type Mutation = (draft: Draft, pick: Pick, id: string) => void;

const line = (...lines: readonly string[]): Mutation => {
  return (draft, pick) => void draft.rawLines.push(pick.of(lines));
};

/** Changes of one part of a valid request, by what they try. */
const mutations: Readonly<Record<string, Mutation>> = {
  length: line(
    ..."0|1|3|+3|-1|0x3|3, 3|3,4|03| 3 |3 4||99999999999999999999|4294967299|3.0|3e0|\x0b3|１"
      .split("|")
      .map((value) => `Content-Length: ${value}`),
  ),
  coding: line(
    ...'chunked|Chunked|chunked, chunked|gzip, chunked|chunked, gzip|identity|xchunked|chunked;q=1|"chunked"|\x0bchunked| chunked|chunked\x00|, chunked|chunked,'
      .split("|")
      .map((value) => `Transfer-Encoding: ${value}`),
    "Transfer_Encoding: chunked",
    "Transfer-Encoding : chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Transfer-Encoding\r\n: chunked",
  ),
  fold: line("X-A: a\r\n b", "X-A: a\r\n\tb: c", " X-A: a", "\tContent-Length: 5"),
  lineEnd: line("X-A: a\nX-B: b", "X-A: a\rX-B: b", "X-A: a\n", "X-A: a\r\r", "\r", "\n"),
  control: line(
    "X-A: \0",
    "X-A: a\x01b",
    "X\0A: b",
    "X-A: \x7f",
    "X-A: \x0b",
    "X-\xff: b",
    "X-A: \x80\xff",
  ),
  name: line(
    ": a",
    "X-A : a",
    "X A: b",
    "X-A",
    "X(A): b",
    "X-A:",
    "__proto__: a",
    "constructor: a",
  ),
  injection: line(
    "X-Request-Id: a b\tc",
    "X-Request-Id: a%0d%0aX-B: c",
    "X-Forwarded-Host: evil\xe9",
    "X-Gateway-Destination-Endpoint: 127.0.0.1:1",
    "X-Prefiller-Host-Port: 127.0.0.1:1",
    "X-Session-Token: MTI3LjAuMC4xOjE=",
    "traceparent: 00-x\xff",
    "Authorization: Bearer \xff",
    'X-Llm-D-Inference-Fairness-Id: a"b\\c\x80',
  ),
  connection: line(
    "Connection: close",
    "Connection: keep-alive, close",
    "Connection: content-length, transfer-encoding, host",
    "Connection: x-fuzz, content-type, authorization",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Connection: upgrade\r\nUpgrade: h2c, x\r\nHTTP2-Settings: AAMAAABk",
    "Connection: ,,\t, \x00",
    "Keep-Alive: timeout=0",
    "Proxy-Connection: close",
  ),
  host: (draft, pick) => {
    draft.headers = draft.headers.filter(([name]) => name !== "Host");
    const hosts = [
      "",
      "a b",
      "[::1",
      "a,b",
      "user@127.0.0.1",
      "127.0.0.1:x",
      "a/../b",
      "127.0.0.1\t",
    ];
    draft.rawLines.push(...(pick.chance(0.2) ? [] : [`Host: ${pick.of(hosts)}`]));
    if (pick.chance(0.2)) draft.rawLines.push("Host: other");
  },
  expect: line(
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Expect: 100-continue, 100-continue",
    "Expect:",
  ),
  method: (draft, pick) => {
    draft.method = pick.of(
      'GET HEAD OPTIONS TRACE CONNECT PRI get GE\tT GET\0 "GET" FOO M-SEARCH QUERY SOURCE'.split(
        " ",
      ),
    );
  },
  target: (draft, pick, id) => {
    draft.target = pick.of([
      `http://evil.example/f/${id}`,
      `HTTPS://evil.example:99999/f/${id}`,
      `http://user:pass@127.0.0.1/f/${id}`,
      `http://[::1]/f/${id}`,
      `http://evil\\@127.0.0.1/f/${id}`,
      `//evil.example/f/${id}`,
      `/f/../${id}/%2e%2e/%00/%0d%0aX-A:%20b`,
      `/f/${id}#/g`,
      `/f/${id} HTTP/1.1\r\nX-A: b`,
      `/f/${id}\tb`,
      `/f/${id}?a b`,
      `/f/${id}\0`,
      `/f/${id}\xc3\xa9`,
      `/f/${id}\\..\\x`,
      `f/${id}`,
      `*`,
      `evil.example:443`,
      `ftp://a/f/${id}`,
      `/f/${id}?${"a=b&".repeat(pick.below(3_000))}`,
      `/v1/models/${id}%00%ff`,
    ]);
  },
  version: (draft, pick) => {
    draft.version = pick.of(
      "HTTP/1.0 HTTP/0.9 HTTP/1.2 HTTP/2.0 HTTP/3.0 HTTP/1.1x http/1.1 HTTP/11 HTTP/1.10 HTTX/1.1 RTSP/1.0".split(
        " ",
      ),
    );
  },
  many: (draft, pick) => {
    const count = 100 + pick.below(4_000);
    for (let index = 0; index < count; index += 1) draft.rawLines.push(`a${index}: b`);
  },
  large: (draft, pick) => void draft.rawLines.push(`X-Large: ${"y".repeat(pick.below(150_000))}`),
  extension: (draft, pick) => {
    draft.framing = "chunks";
    draft.extension = pick.of([
      ";a=b",
      ";a",
      ";",
      " ",
      " ;a = b",
      ';a="b;c"',
      ';a="\r\n0\r\n\r\n',
      ";a\nb",
      ";a\rb",
      ";\x00",
      `;${"a".repeat(20_000)}`,
      "\t",
      "g",
    ]);
  },
  trailers: (draft, pick) => {
    draft.framing = "chunks";
    draft.trailers = pick.of([
      "X-T: 1\r\n",
      "Content-Length: 5\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Host: evil\r\n",
      "X-T : 1\r\n",
      " X-T: 1\r\n",
      "X-T: a\nX-U: b\r\n",
      `X-T: ${"t".repeat(90_000)}\r\n`,
      "X-T: 1\r\n".repeat(3_000),
    ]);
  },
};

/** Changes of the bytes of a request, without a thought for its grammar. */
const byteMutations: readonly ((bytes: string, pick: Pick) => string)[] = [
  (bytes, pick) => bytes.slice(0, pick.below(bytes.length)),
  (bytes, pick) => spliced(bytes, pick, { inserted: pick.bytes(1 + pick.below(4)), removed: 1 }),
  (bytes, pick) =>
    spliced(bytes, pick, {
      inserted: pick.of(["\r\n", "\n", "\r", "\0", " ", "\t", ":", "\r\n\r\n"]),
      removed: 0,
    }),
  (bytes, pick) => spliced(bytes, pick, { inserted: "", removed: 1 + pick.below(8) }),
  (bytes, pick) => bytes.replaceAll("\r\n", pick.of(["\n", "\r", "\r\r\n", "\n\r"])),
  (bytes, pick) =>
    `${pick.of(["\r\n", "\r\n\r\n", "\n", " ", "\0", "\x16\x03\x01\x02\x00", "PRI * HTTP/2.0\r\n"])}${bytes}`,
  (bytes, pick) => `${bytes}${pick.bytes(pick.below(60))}`,
];

/** Texts of one connection of HTTP/1.1; `nextId` names each request in it. */
export function http1CaseOf(pick: Pick, nextId: () => string): FuzzCase {
  if (pick.chance(0.1)) return garbageOf(pick);
  const kinds: string[] = [];
  let text = "";
  const count = pick.chance(0.7) ? 1 : 2 + pick.below(4);
  for (let index = 0; index < count; index += 1) {
    const id = nextId();
    const draft = draftOf(pick, id, nextId);
    for (let times = pick.below(3); times > 0; times -= 1) {
      const kind = pick.of(Object.keys(mutations));
      mutations[kind]?.(draft, pick, id);
      kinds.push(kind);
    }
    text += textOf(draft, pick);
  }
  if (pick.chance(0.25)) {
    text = pick.of(byteMutations)(text, pick);
    kinds.push("bytes");
  }
  const allowed = strictRequestsIn(text);
  const isValid = kinds.length === 0;
  return { kind: kinds.join("+") || "valid", bytes: Buffer.from(text, "latin1"), allowed, isValid };
}

function garbageOf(pick: Pick): FuzzCase {
  const text = pick.of([
    () => pick.bytes(pick.below(300)),
    () => "\r\n".repeat(pick.below(5_000)),
    () => `GET /${"a".repeat(pick.below(200_000))}`,
    () => "\0".repeat(pick.below(70_000)),
    () => `\x16\x03\x01${pick.bytes(100)}`,
    () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".slice(0, pick.below(25)),
    () => "GET ".repeat(pick.below(1_000)),
    () => `${"A".repeat(pick.below(100_000))}\r\n\r\n`,
  ])();
  return { kind: "garbage", bytes: Buffer.from(text, "latin1"), allowed: [], isValid: false };
}

/** A valid request, whose body may hold another one. */
function draftOf(pick: Pick, id: string, nextId: () => string): Draft {
  const isChat = pick.chance(0.5);
  const hidden = `GET /smuggled/${nextId()} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const chat = JSON.stringify({
    model: "sim-model",
    messages: [{ role: "user", content: id }],
    max_tokens: 1 + pick.below(3),
    stream: pick.chance(0.5),
  });
  const body = isChat
    ? chat
    : pick.of([hidden, `0\r\n\r\n${hidden}`, id, "", "x".repeat(pick.below(5_000))]);
  return {
    method: isChat ? "POST" : pick.of(["POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    target: isChat ? `/v1/chat/completions?id=${id}` : `/f/${id}`,
    version: "HTTP/1.1",
    headers: [
      ["Host", pick.of(["127.0.0.1", "localhost:8080", "[::1]"])],
      ["Content-Type", isChat ? "application/json" : pick.of(["text/plain", "application/json"])],
      ["X-Fuzz", id],
    ],
    rawLines: [],
    framing: body === "" && pick.chance(0.5) ? "none" : pick.of(["length", "chunks"]),
    body,
    extension: "",
    trailers: "",
  };
}

function textOf(draft: Draft, pick: Pick): string {
  const { method, target, version, headers, rawLines, framing, body } = draft;
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  if (framing === "length") lines.push(`Content-Length: ${body.length}`);
  if (framing === "chunks") lines.push("Transfer-Encoding: chunked");
  // Mutated lines come before or after those that frame the request.
  const all = pick.chance(0.5) ? [...lines, ...rawLines] : [...rawLines, ...lines];
  const head = [`${method} ${target} ${version}`, ...all].join("\r\n");
  if (framing === "none") return `${head}\r\n\r\n`;
  return `${head}\r\n\r\n${framing === "length" ? body : chunksOf(draft, pick)}`;
}

function chunksOf({ body, extension, trailers }: Draft, pick: Pick): string {
  let text = "";
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, 1 + pick.below(pick.of([3, 100, 3_000])));
    text += `${size.toString(16)}${extension}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0${extension}\r\n${trailers}\r\n`;
}

interface Splice {
  readonly inserted: string;
  readonly removed: number;
}

function spliced(bytes: string, pick: Pick, { inserted, removed }: Splice): string {
  const at = pick.below(bytes.length + 1);
  return `${bytes.slice(0, at)}${inserted}${bytes.slice(at + removed)}`;
}
