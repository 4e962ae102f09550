import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchanged, startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";

/** An engine that answers with what it got, and a gateway in front of it. */
let engine: Awaited<ReturnType<typeof startScriptedEngine>>;
let gateway: Awaited<ReturnType<typeof startHttpGateway>>;

beforeAll(async () => {
  engine = await startScriptedEngine((request, response, body) => {
    const asked = request.headers["x-answer"];
    const answer = typeof asked === "string" ? (JSON.parse(asked) as Answer) : {};
    const content = Buffer.from(answer.body ?? body.toString("latin1"), "latin1");
    const sent = answer.isGzip === true ? gzipSync(content) : content;
    response.writeHead(answer.status ?? 200, answer.headers ?? []);
    if (answer.isWhole === true) return void response.end(sent);
    for (let start = 0; start < sent.length; start += 7)
      response.write(sent.subarray(start, start + 7));
    if (answer.trailer !== undefined) response.addTrailers({ "x-trailer": answer.trailer });
    response.end();
  });
  gateway = await startHttpGateway({ engines: [engine.port], http: { bodyBytesMax: 1_000 } });
});

afterAll(async () => {
  await gateway.close();
  await engine.close();
});

interface Answer {
  readonly status?: number;
  readonly headers?: string[];
  readonly body?: string;
  readonly isGzip?: boolean;
  /** True to send it with its length. */
  readonly isWhole?: boolean;
  readonly trailer?: string;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/u.exec(answer)?.[1]);

describe("a request whose end is not clear", () => {
  const post = "POST /v1/completions HTTP/1.1\r\nHost: a\r\n";
  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

  it.each([
    ["two lengths", `${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
    ["two equal lengths", `${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
    ["a list of lengths", `${post}Content-Length: 3, 3\r\n\r\nabc`],
    [
      "a length and chunks",
      `${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "chunks and a length",
      `${post}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ["an unknown coding", `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      "chunks within another coding",
      `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    [
      "another coding before the chunks",
      `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      "two lines of codings",
      `${post}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["a coding in quotes", `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
    ["a coding after a vertical tab", `${post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ["chunks in HTTP/1.0", `POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    [
      "a chunk whose line ends without a carriage return",
      `${post}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n`,
    ],
    [
      "a chunk extension that holds a line end",
      `${post}Transfer-Encoding: chunked\r\n\r\n3;a="\r\nb"\r\nabc\r\n0\r\n\r\n`,
    ],
    [
      "a chunk size of more than 64 bits",
      `${post}Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n`,
    ],
    [
      "a length among the trailers",
      `${post}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n`,
    ],
    ["version 2.0", `GET /p HTTP/2.0\r\nHost: a\r\n\r\n`],
    ["version 0.9", `GET /p HTTP/0.9\r\nHost: a\r\n\r\n`],
    ["a fragment", `GET /p#/q HTTP/1.1\r\nHost: a\r\n\r\n`],
    ["a host that is none", `GET /p HTTP/1.1\r\nHost: a b/..\r\n\r\n`],
    ["a user in its target", `GET http://user@a/p HTTP/1.1\r\nHost: a\r\n\r\n`],
    ["a space before the colon", `${post}Content-Length : 3\r\n\r\nabc`],
    ["a folded header", `${post}X-A: a\r\n Content-Length: 3\r\n\r\nabc`],
    ["a signed length", `${post}Content-Length: +3\r\n\r\nabc`],
    ["a length in hexadecimal", `${post}Content-Length: 0x3\r\n\r\nabc`],
    ["a negative chunk", `${post}Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n`],
    ["a line that ends without a carriage return", `POST /p HTTP/1.1\nHost: a\n\n`],
    ["a control character in a header", `${post}X-A: a\x01b\r\n\r\n`],
    ["two hosts", `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`],
    ["no host", `GET / HTTP/1.1\r\n\r\n`],
    ["two spaces before its target", `POST  /p HTTP/1.1\r\nHost: a\r\n\r\n`],
    ["two spaces before its version", `GET /p  HTTP/1.1\r\nHost: a  b\r\n\r\n`],
    ["no path", `OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n`],
  ])("with %s is refused, and no engine sees it", async (_, bytes) => {
    const before = engine.seen.length;
    const answer = await exchanged(gateway.port, bytes);
    expect(statusOf(answer)).toBe(400);
    expect(engine.seen.length).toBe(before);
  });

  it.each([
    ["two hosts", "GET /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    ["no host", "GET /p HTTP/1.1\r\n\r\n"],
    ["another coding", `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ["two spaces", "GET  /p HTTP/1.1\r\nHost: a\r\n\r\n"],
  ])("with %s ends its connection, whatever follows it", async (_, bytes) => {
    const before = engine.seen.length;
    const answer = await exchanged(gateway.port, `${bytes}${smuggled}`);
    expect(answer.match(/HTTP\/1\.1 \d+/gu)).toEqual(["HTTP/1.1 400"]);
    expect(answer).toMatch(/\r\nconnection: close\r\n/iu);
    expect(engine.seen.length).toBe(before);
  });

  it("ends its connection if it expects anything but to be asked for its body", async () => {
    const before = engine.seen.length;
    const bytes = `${post}Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc${smuggled}`;
    const answer = await exchanged(gateway.port, bytes);
    expect(answer.match(/HTTP\/1\.1 \d+/gu)).toEqual(["HTTP/1.1 417"]);
    expect(engine.seen.length).toBe(before);
  });

  it("may have an unknown upgrade and a body, and then is a usual request", async () => {
    const answer = await exchanged(
      gateway.port,
      `${post.replace("/v1/completions", "/p")}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    expect(statusOf(answer)).toBe(200);
    expect(engine.seen.at(-1)?.body.toString()).toBe(smuggled);
    expect(engine.seen.at(-1)?.headers).not.toHaveProperty("upgrade");
  });

  // Through such a tunnel, a client could send requests that the gateway never sees.
  it.each(["h2c", "H2C", "h2c, websocket", "websocket, h2c", "HTTP/2.0", "TLS/1.2"])(
    "is a usual one if it asks for an upgrade to %s",
    async (protocol) => {
      const answer = await exchanged(
        gateway.port,
        `GET /p HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
      );
      expect(statusOf(answer)).toBe(200);
      const { headers } = engine.seen.at(-1) ?? {};
      expect(headers).not.toHaveProperty("upgrade");
      expect(headers).not.toHaveProperty("http2-settings");
    },
  );

  it("is closed for CONNECT", async () => {
    const before = engine.seen.length;
    expect(
      await exchanged(gateway.port, "CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n"),
    ).toBe("");
    expect(engine.seen.length).toBe(before);
  });

  it("has a limited number of headers", async () => {
    const before = engine.seen.length;
    const many = "a:b\r\n".repeat(250);
    const answer = await exchanged(gateway.port, `GET /p HTTP/1.1\r\nHost: a\r\n${many}\r\n`);
    // Node.js from 26 on refuses it by itself.
    expect([400, 431]).toContain(statusOf(answer));
    expect(engine.seen.length).toBe(before);
  });

  it("has a head of limited size", async () => {
    const answer = await exchanged(
      gateway.port,
      `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${"a".repeat(20_000)}\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(431);
  });
});

describe("a request target", () => {
  it.each([
    ["an absolute form", "http://evil.example/a/b?c=1", "/a/b?c=1"],
    ["an absolute form without a path", "http://evil.example", "/"],
    ["an absolute form with only a query", "http://evil.example?a", "/?a"],
    ["two slashes", "//evil.example/x", "//evil.example/x"],
    ["dots", "/a/../../etc/passwd", "/a/../../etc/passwd"],
    ["encoded bytes", "/%2e%2e/%00%0d%0aX:%20y", "/%2e%2e/%00%0d%0aX:%20y"],
    ["a user", "/a@b:80", "/a@b:80"],
  ])("with %s goes to an endpoint of the pool, as a path", async (_, target, path) => {
    const answer = await exchanged(gateway.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(statusOf(answer)).toBe(200);
    expect(engine.seen.at(-1)).toMatchObject({
      url: path,
      headers: { host: `127.0.0.1:${engine.port}` },
    });
  });
});

describe("headers", () => {
  it("of the connection, and those that it names, stay on it", async () => {
    await exchanged(
      gateway.port,
      "GET /p HTTP/1.1\r\nHost: a\r\nConnection: x-secret, keep-alive\r\nConnection: x-other\r\nX-Secret: 1\r\nX-Other: 2\r\nX-Kept: 3\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: b\r\nProxy-Connection: x\r\n\r\n",
    );
    const names = Object.keys(engine.seen.at(-1)?.headers ?? {});
    expect(names.toSorted()).toEqual(
      [
        ...["connection", "host", "traceparent", "x-forwarded-for", "x-forwarded-host"],
        ...["x-forwarded-proto", "x-kept", "x-request-id"],
      ].toSorted(),
    );
    expect(engine.seen.at(-1)?.headers["connection"]).toBe("keep-alive");
  });

  it("of a client cannot name its address, another engine, or the headers that frame a body", async () => {
    await exchanged(
      gateway.port,
      "POST /p HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\nContent-Length: 3\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Gateway-Destination-Endpoint: 6.6.6.6:1\r\nX-Prefiller-Host-Port: 6.6.6.6:1\r\n\r\nabc",
    );
    const { headers, body } = engine.seen.at(-1) ?? {};
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "a",
      "x-forwarded-proto": "http",
    });
    expect(headers).not.toHaveProperty("x-gateway-destination-endpoint");
    expect(headers).not.toHaveProperty("x-prefiller-host-port");
    expect(body?.toString()).toBe("abc");
  });

  it("keep the client's trace and id if they are usable", async () => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await exchanged(
      gateway.port,
      `GET /p HTTP/1.1\r\nHost: a\r\ntraceparent: ${trace}\r\nX-Request-Id: id-1\r\n\r\n`,
    );
    expect(engine.seen.at(-1)?.headers).toMatchObject({
      traceparent: trace,
      "x-request-id": "id-1",
    });
    await exchanged(
      gateway.port,
      "GET /p HTTP/1.1\r\nHost: a\r\ntraceparent: x\r\nX-Request-Id: a b\r\n\r\n",
    );
    const { headers } = engine.seen.at(-1) ?? {};
    expect(headers?.["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/u);
    expect(headers?.["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/u);
  });
});

describe("bodies", () => {
  const json = "content-type: application/json\r\n";

  it("wait for the client that asks first", async () => {
    const answer = await exchanged(
      gateway.port,
      `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc`,
    );
    expect(answer.startsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")).toBe(true);
  });

  it("beyond the limit get 413 before they are asked for", async () => {
    const answer = await exchanged(
      gateway.port,
      `POST /v1/completions HTTP/1.1\r\nHost: a\r\n${json}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(413);
    expect(answer).toContain('"code":"body_too_large"');
  });

  it("beyond the limit get 413 in chunks too", async () => {
    const chunk = `3e9\r\n${" ".repeat(1_001)}\r\n0\r\n\r\n`;
    const answer = await exchanged(
      gateway.port,
      `POST /v1/completions HTTP/1.1\r\nHost: a\r\n${json}Transfer-Encoding: chunked\r\n\r\n${chunk}`,
    );
    expect(statusOf(answer)).toBe(413);
  });

  it.each(["/v1/rerank", "/files"])("beyond the limit pass unread to %s", async (path) => {
    const body = `{"a":"${"x".repeat(5_000)}"}`;
    const response = await gateway.ask(body, {}, path);
    expect(await response.text()).toBe(body);
  });
});

describe("an answer through the gateway", () => {
  /** The engine without a gateway, as the other side of the comparison. */
  const token = fc.stringMatching(/^[a-z]{1,8}$/u);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/u);
  const header = fc.tuple(
    token.map((name) => `x-t-${name}`),
    value,
  );
  const latin = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 })
    .map((bytes) => String.fromCodePoint(...bytes));
  const answers = fc.record({
    status: fc.constantFrom(200, 201, 204, 206, 301, 304, 400, 404, 418, 500),
    headers: fc.array(header, { maxLength: 4 }).map((pairs) => pairs.flat()),
    body: latin.map((text) => Buffer.from(text, "latin1").toString("base64")),
    isGzip: fc.boolean(),
    isWhole: fc.boolean(),
  });
  const request = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"),
    path: fc
      .array(fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=:@%-]{1,8}$/u), { maxLength: 4 })
      .map((parts) => `/x/${parts.join("/")}`),
    query: fc.option(fc.stringMatching(/^[A-Za-z0-9=&%?/]{0,12}$/u)),
    headers: fc.array(header, { maxLength: 5 }),
    body: latin,
    cuts: fc.array(fc.nat({ max: 60 }), { maxLength: 3 }),
    isChunked: fc.boolean(),
    contentType: fc.constantFrom("application/json", "text/plain", "application/octet-stream", ""),
    answer: answers,
  });

  /** The request as bytes, in chunks or with its length. */
  function bytesOf({ method, path, query, headers, ...rest }: RequestCase): string {
    const { body, cuts, isChunked, contentType, answer: asked } = rest;
    const lines = [
      `${method} ${path}${query === null ? "" : `?${query}`} HTTP/1.1`,
      "Host: a",
      "Connection: close",
      ...(contentType === "" ? [] : [`Content-Type: ${contentType}`]),
      ...headers.map(([name, text]) => `${name}: ${text}`),
      `x-answer: ${JSON.stringify(asked)}`,
    ];
    if (!isChunked) {
      return `${[...lines, `Content-Length: ${body.length}`].join("\r\n")}\r\n\r\n${body}`;
    }
    const edges = [0, ...cuts.map((cut) => Math.min(cut, body.length)), body.length];
    const sorted = edges.toSorted((a, b) => a - b);
    const chunks = sorted
      .slice(1)
      .map((end, index) => body.slice(sorted[index], end))
      .filter((chunk) => chunk !== "")
      .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    const head = [...lines, "Transfer-Encoding: chunked"].join("\r\n");
    return `${head}\r\n\r\n${chunks.join("")}0\r\n\r\n`;
  }

  type RequestCase = typeof request extends fc.Arbitrary<infer T> ? T : never;

  it(
    "is the engine's own, and the engine gets the client's request",
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(request, async (each) => {
          const bytes = bytesOf(each);
          const direct = await exchanged(engine.port, bytes);
          const seenDirect = engine.seen.at(-1);
          const through = await exchanged(gateway.port, bytes);
          const seenThrough = engine.seen.at(-1);
          expect(partsOf(through)).toEqual(partsOf(direct));
          expect([seenThrough?.method, seenThrough?.url, seenThrough?.body]).toEqual([
            seenDirect?.method,
            seenDirect?.url,
            seenDirect?.body,
          ]);
          const own = (seen: typeof seenDirect) =>
            Object.entries(seen?.headers ?? {}).filter(([name]) =>
              /^x-t-|^content-type$/u.test(name),
            );
          expect(own(seenThrough)).toEqual(own(seenDirect));
        }),
        { numRuns: 300 },
      );
    },
  );

  it("keeps its trailers", async () => {
    const asked = JSON.stringify({ headers: ["trailer", "x-trailer"], trailer: "late" });
    const text = await exchanged(
      gateway.port,
      `GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-answer: ${asked}\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(text).toMatch(/\r\n0\r\nx-trailer: late\r\n\r\n$/iu);
  });

  it("is refused if its head could be read in two ways", async () => {
    const odd = createServer();
    odd.listen(0, "127.0.0.1");
    await new Promise((resolve) => odd.once("listening", resolve));
    odd.on("connection", (socket) => {
      socket.removeAllListeners("data");
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab");
      });
    });
    // A server that listens on TCP has an address with a port.
    const { port } = odd.address() as AddressInfo;
    const other = await startHttpGateway({ engines: [port], ignoresModels: true });
    const { status } = await fetch(`${other.origin}/p`);
    expect(status).toBe(502);
    await other.close();
    odd.close();
    odd.closeAllConnections();
  });
});

function dechunked(raw: string): string {
  let content = "";
  let rest = raw;
  for (;;) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return content;
    content += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 2 + size + 2);
  }
}

/** Status, reason, headers and content of an answer, without the headers that docs/gateway.md lists. */
function partsOf(text: string) {
  const end = text.indexOf("\r\n\r\n");
  const [status, ...lines] = text.slice(0, end).split("\r\n");
  const raw = text.slice(end + 4);
  const isChunked = lines.some((line) => /^transfer-encoding: chunked$/iu.test(line));
  const content = isChunked ? dechunked(raw) : raw;
  const ofGateway = /^(connection|keep-alive|transfer-encoding|date|x-request-id):/iu;
  return { status, lines: lines.filter((line) => !ofGateway.test(line)), content };
}
