import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { EngineRequest } from "../../src/data-plane/ingress/http/engine/engine-request.ts";
import { EngineConnections } from "../../src/data-plane/ingress/http/engine-connections.ts";
import { systemClock } from "../../src/std/clock.ts";
import { askEngine } from "#test/support/ask-engine.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

interface Conversation {
  readonly socket: Socket;
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** All that has come on it. */
  readonly seen: string;
}

const timeouts = { connectTimeoutMs: 5_000, headTimeoutMs: 2_000, idleTimeoutMs: 1_000 };

/** An engine that does what `script` says whenever bytes come, and a client of it. */
async function anEngine(script: (conversation: Conversation) => void, host = "127.0.0.1") {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const connection = sockets.push(socket);
    let seen = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      seen += bytes.toString("latin1");
      script({ socket, connection, seen });
    });
  });
  server.listen(0, host);
  await once(server, "listening");
  const clock = new FakeClock();
  const connections = new EngineConnections(timeouts, clock);
  opened.push(() => {
    connections.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  // A server that listens on TCP has an address with a port.
  const { port } = server.address() as AddressInfo;
  const hostPort = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const ask = (request: Partial<EngineRequest> = {}, onChunk?: () => void) =>
    askEngine(
      { method: "GET", path: "/", ...request },
      { connections, hostPort, clock, ...(onChunk === undefined ? {} : { onChunk }) },
    );
  return { ask, sockets, clock, hostPort };
}

const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("an answer of an odd engine", () => {
  it.each<[string, string, object]>([
    [
      "in HTTP/1.0 without a length ends with its connection",
      "HTTP/1.0 200 OK\r\n\r\nab",
      { body: "ab" },
    ],
    [
      "with chunk extensions and trailers is its content",
      `${chunked}2;a="b"\r\nab\r\n0;c\r\nT: u\r\n\r\n`,
      { body: "ab", trailers: ["t", "u"] },
    ],
    [
      "after interim ones is the last one",
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${ok("ab")}`,
      { status: 200, body: "ab" },
    ],
    [
      "with a head of 64 KiB passes",
      `HTTP/1.1 200 OK\r\nA: ${"a".repeat(65_536)}\r\nContent-Length: 2\r\n\r\nab`,
      { body: "ab" },
    ],
    [
      "with a head beyond 128 KiB is invalid",
      `HTTP/1.1 200 OK\r\nA: ${"a".repeat(131_073)}`,
      { failure: "invalid" },
    ],
    [
      "204 with a length has no body",
      "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
      { status: 204, body: "" },
    ],
    [
      "304 with a length has no body",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
      { status: 304, body: "" },
    ],
    [
      "of two lengths is invalid",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      { failure: "invalid" },
    ],
    [
      "of a length and chunks is invalid",
      `${chunked.slice(0, -2)}Content-Length: 2\r\n\r\n0\r\n\r\n`,
      { failure: "invalid" },
    ],
    ["with bare LF is invalid", "HTTP/1.1 200 OK\nContent-Length: 2\n\nab", { failure: "invalid" }],
    [
      "with a folded line is invalid",
      "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
      { failure: "invalid" },
    ],
    ["that ends within its length is broken", ok("abcd").slice(0, -1), { failure: "broken" }],
    [
      "that ends within its chunks is broken",
      `${chunked}fffffffffffff\r\nab`,
      { failure: "broken" },
    ],
    [
      "with a chunk beyond what a number holds is invalid",
      `${chunked}ffffffffffffffff\r\nab`,
      { failure: "invalid" },
    ],
    ["that ends before its last chunk is broken", `${chunked}2\r\nab\r\n`, { failure: "broken" }],
    ["that ends within its trailers is broken", `${chunked}0\r\nT: u\r\n`, { failure: "broken" }],
    [
      "that ends within an interim one is broken",
      "HTTP/1.1 100 Continue\r\n\r\n",
      { failure: "broken" },
    ],
    ["of no bytes is broken", "", { failure: "broken" }],
    ["of TLS is invalid", "\x15\x03\x01\x00\x02\x02\x16", { failure: "invalid" }],
  ])("%s", async (_, text, expected) => {
    const { ask } = await anEngine(({ socket }) => void socket.end(text, "latin1"));
    const told = await ask();
    expect(typeof told === "string" ? { failure: told } : told).toMatchObject(expected);
  });

  it("to HEAD ends with its head, and the next one is that of its own request", async () => {
    const { ask, sockets } = await anEngine(({ socket, seen }) => {
      const isHead =
        seen.endsWith("\r\n\r\n") && seen.lastIndexOf("HEAD ") > seen.lastIndexOf("GET ");
      socket.write(isHead ? ok("abc").slice(0, -3) : ok("de"));
    });
    expect(await ask({ method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    expect(await ask()).toMatchObject({ body: "de" });
    expect(sockets).toHaveLength(1);
  });

  it("over IPv6 passes", async () => {
    const { ask, hostPort } = await anEngine(({ socket, seen }) => {
      socket.write(ok(/^host: (.*)\r$/mu.exec(seen)?.[1] ?? ""));
    }, "::1");
    expect(await ask()).toMatchObject({ body: hostPort });
  });
});

describe("an engine that stalls", () => {
  it("has no more time for its head if it sends it byte by byte", async () => {
    const { ask, clock, sockets } = await anEngine(({ socket }) => void socket.write("HTTP/1.1 2"));
    const told = ask();
    await eventually("the request", async () => sockets[0]?.bytesRead || undefined);
    await clock.advance(1_999);
    sockets[0]?.write("0");
    await new Promise((resolve) => void setImmediate(resolve));
    await clock.advance(1);
    expect(await told).toBe("timeout");
  });

  it("has its time again with each piece of a body", async () => {
    let pieces = 0;
    const { ask, clock, sockets } = await anEngine(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na");
    });
    const told = ask({}, () => void (pieces += 1));
    await eventually("a piece", async () => (pieces === 1 ? true : undefined));
    await clock.advance(999);
    sockets[0]?.write("b");
    await eventually("a piece", async () => (pieces === 2 ? true : undefined));
    await clock.advance(999);
    expect(sockets[0]?.destroyed).toBe(false);
    await clock.advance(1);
    expect(await told).toBe("timeout");
  });
});

describe("a connection that was used before", () => {
  it.each<[string, (socket: Socket) => void]>([
    ["bytes that no request has asked for", (socket) => void socket.write(ok("stray"))],
    ["the end of the connection", (socket) => void socket.end()],
    ["a reset", (socket) => void socket.resetAndDestroy()],
  ])("does not get a request after %s, which goes to another one", async (_, act) => {
    const { ask, sockets } = await anEngine(({ socket, connection, seen }) => {
      socket.write(ok(`${connection}.${seen.split("GET ").length - 1}`));
    });
    expect(await ask()).toMatchObject({ body: "1.1" });
    const [first] = sockets;
    if (first === undefined) throw new Error("no connection");
    // In the same turn as the next request: the bytes are there, and nothing has told of them.
    act(first);
    expect(await ask()).toMatchObject({ body: "2.1" });
  });

  it("is stale if the engine closes it when the next request comes", async () => {
    const { ask, sockets } = await anEngine(({ socket, seen }) => {
      if (seen.split("GET ").length === 2) socket.write(ok("a"));
      else socket.destroy();
    });
    expect(await ask()).toMatchObject({ body: "a" });
    expect(await ask()).toBe("stale");
    expect(sockets).toHaveLength(1);
  });

  it("is kept if the request that waits for it is given up, and others are served", async () => {
    const { ask } = await anEngine(({ socket }) => void socket.write(ok("a")));
    await ask();
    const all = await Promise.all([ask(), ask(), ask()]);
    expect(all.map((each) => (typeof each === "string" ? each : each.body))).toEqual([
      "a",
      "a",
      "a",
    ]);
  });
});

describe("an answer before the end of the request", () => {
  const early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

  it("counts, and ends the connection", async () => {
    const more = Promise.withResolvers<undefined>();
    async function* body(): AsyncIterable<Uint8Array> {
      yield Buffer.from("first");
      await more.promise;
      yield Buffer.from("second");
    }
    const { ask, sockets } = await anEngine(({ socket, connection }) => {
      socket.write(connection === 1 ? early : ok("a"));
    });
    expect(await ask({ method: "POST", body: body() })).toMatchObject({ status: 413, body: "no" });
    const [first] = sockets;
    if (first === undefined) throw new Error("no connection");
    if (!first.destroyed) await once(first, "close");
    more.resolve(undefined);
    expect(await ask()).toMatchObject({ body: "a" });
    expect(sockets).toHaveLength(2);
  });

  it("counts if the engine has closed its side", async () => {
    const { ask } = await anEngine(
      ({ socket }) => void (socket.writableEnded || socket.end(early)),
    );
    expect(await ask({ method: "POST", body: longBody() })).toMatchObject({
      status: 413,
      body: "no",
    });
  });
});

async function* longBody(): AsyncIterable<Uint8Array> {
  for (let piece = 0; piece < 64; piece += 1) {
    yield Buffer.alloc(65_536, "a");
    await systemClock.sleep(0);
  }
}
