import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import fc from "fast-check";
import { Client } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { EngineRequest } from "../../src/data-plane/ingress/http/engine/engine-request.ts";
import { EngineConnections } from "../../src/data-plane/ingress/http/engine-connections.ts";
import { systemClock } from "../../src/std/clock.ts";
import { askEngine, type Told } from "#test/support/ask-engine.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

/** What an engine does with a connection once it has the head of a request. */
let script: (socket: Socket, request: string) => void = () => undefined;
let connectionsTotal = 0;
const sockets = new Set<Socket>();

const engine = createServer((socket) => {
  connectionsTotal += 1;
  sockets.add(socket);
  socket.on("error", () => undefined).on("close", () => void sockets.delete(socket));
  socket.on("data", (bytes) => script(socket, bytes.toString("latin1")));
});

beforeAll(async () => {
  engine.listen(0, "127.0.0.1");
  await once(engine, "listening");
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
});
afterAll(() => void engine.close());

const port = () => (engine.address() as AddressInfo).port;
const timeouts = { connectTimeoutMs: 5_000, headTimeoutMs: 0, idleTimeoutMs: 0 };
const connectionsOf = (clock = systemClock) => new EngineConnections(timeouts, clock);

const ownAnswer = (request: EngineRequest, connections: EngineConnections) =>
  askEngine(request, { connections, hostPort: `127.0.0.1:${port()}` });

async function undiciAnswer(method: string): Promise<Told> {
  const client = new Client(`http://127.0.0.1:${port()}`, { headersTimeout: 0, bodyTimeout: 0 });
  try {
    const answer = await client.request({ path: "/", method, responseHeaders: "raw" });
    const body = Buffer.from(await answer.body.arrayBuffer()).toString("latin1");
    // Asked for, names and values come in turn.
    const lines = (answer.headers as unknown as Buffer[]).map((each) =>
      // The end of a value is none of it (RFC 9110, section 5.5); undici leaves it.
      each.toString("latin1").trimEnd(),
    );
    const trailers = Object.entries(answer.trailers).flatMap(([name, value]) =>
      [value].flat().flatMap((each) => [name, each]),
    );
    return { status: answer.statusCode, lines, body, trailers };
  } catch {
    return "failed";
  } finally {
    await client.destroy();
  }
}

/** Sends `text` in pieces, each in a turn of its own, and ends the connection. */
function sending(text: string, cuts: readonly number[]) {
  return async (socket: Socket): Promise<void> => {
    let from = 0;
    for (const cut of [...cuts.toSorted((one, other) => one - other), text.length]) {
      if (cut > from) socket.write(text.slice(from, cut), "latin1");
      from = Math.max(from, cut);
      await new Promise((resolve) => void setImmediate(resolve));
    }
    socket.end();
  };
}

const status = fc.constantFrom(
  "200 OK",
  "200",
  "204 No Content",
  "304 Not Modified",
  "503 Busy",
  "700 X",
  "20 OK",
  "099 A",
);
const version = fc.constantFrom(
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/3.0",
  "HTP/1.1",
);
const headers = fc.array(
  fc.constantFrom(
    "Content-Length: 5",
    "content-length: 0",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
    "X-One: a  b\t",
    "X-One:",
    "x-two: \xe4\xff",
    "X-Bad : a",
    "X-Bad: a\rb",
    "X-Bad: \x01",
    "no colon",
    ": none",
    " folded",
  ),
  { maxLength: 4 },
);
const parts = fc.array(
  fc.constantFrom(
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nT: u\r\n\r\n",
    "hello",
    "A;e=1\r\n0123456789\r\n",
    "x\r\n",
    "5 \r\n",
    "1\na\r\n",
    "\r\n",
  ),
  { maxLength: 3 },
);
const answers = fc
  .tuple(
    fc.constantFrom("", "", "HTTP/1.1 103 Early\r\nA: b\r\n\r\n"),
    version,
    status,
    headers,
    parts,
  )
  .map(
    ([interim, http, code, lines, bodies]) =>
      `${interim}${http} ${code}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n${bodies.join("")}`,
  );

describe("the answers of engines", () => {
  it("are those that undici reads, however their bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("GET", "GET", "HEAD", "POST"),
        answers,
        fc.array(fc.nat(120), { maxLength: 6 }),
        async (method, text, cuts) => {
          // Undici reads these as one coding; a second one may be meant to be undone first.
          fc.pre(text.split("Transfer-Encoding").length <= 2);
          const send = sending(text, cuts);
          script = (socket) => void send(socket);
          const connections = connectionsOf();
          const own = await ownAnswer({ path: "/", method }, connections);
          connections.close();
          const theirs = await undiciAnswer(method);
          expect(typeof own === "string" ? "failed" : own).toEqual(theirs);
        },
      ),
      { numRuns: 400 },
    );
  }, 60_000);

  it("fail if a reset ends what only the connection ends", async () => {
    script = (socket) => {
      socket.write(
        "HTTP/1.1 200 OK\r\n\r\nhalf",
        () => void setTimeout(() => socket.resetAndDestroy(), 20),
      );
    };
    expect(await ownAnswer({ path: "/", method: "GET" }, connectionsOf())).toBe("broken");
  });

  it.each([
    [
      "after two interim ones are those that came last",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
    ],
    ["after none are told at once", ""],
  ])("%s", async (_, interim) => {
    script = (socket) =>
      void socket.write(`${interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
    expect(await ownAnswer({ path: "/", method: "GET" }, connectionsOf())).toMatchObject({
      body: "ok",
    });
  });
});

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("a connection to an engine", () => {
  it.each([
    ["is used again", good, 1],
    ["is used again after HEAD-like answers", "HTTP/1.1 204 No Content\r\n\r\n", 1],
    ["closes if the engine says so", good.replace("OK\r\n", "OK\r\nConnection: close\r\n"), 2],
    ["closes if bytes follow the answer", `${good}HTTP/1.1 200 OK\r\n`, 2],
    ["closes after HTTP/1.0", good.replace("1.1", "1.0"), 2],
    [
      "closes if the engine keeps it for a second",
      good.replace("OK\r\n", "OK\r\nKeep-Alive: timeout=1\r\n"),
      2,
    ],
  ])("%s", async (_, text, expected) => {
    script = (socket) => void socket.write(text);
    const connections = connectionsOf();
    const before = connectionsTotal;
    await ownAnswer({ path: "/", method: "GET" }, connections);
    await ownAnswer({ path: "/", method: "GET" }, connections);
    connections.close();
    expect(connectionsTotal - before).toBe(expected);
  });

  it.each([
    [3_999, 1],
    [4_000, 2],
  ])("that was unused for %i ms makes %i in all", async (unusedMs, expected) => {
    script = (socket) => void socket.write(good);
    const clock = new FakeClock();
    const connections = new EngineConnections(timeouts, clock);
    const before = connectionsTotal;
    await ownAnswer({ path: "/", method: "GET" }, connections);
    await clock.advance(unusedMs);
    await ownAnswer({ path: "/", method: "GET" }, connections);
    connections.close();
    expect(connectionsTotal - before).toBe(expected);
  });

  it("is closed by an answer that comes before a request", async () => {
    const answered: Socket[] = [];
    script = (socket) => answered.push(socket) > 0 && void socket.write(good);
    const connections = connectionsOf();
    await ownAnswer({ path: "/", method: "GET" }, connections);
    const [first] = answered;
    if (first === undefined) throw new Error("no connection");
    first.write(good);
    await once(first, "close");
    expect(await ownAnswer({ path: "/", method: "GET" }, connections)).toMatchObject({
      body: "ok",
    });
    connections.close();
  });
});

async function* pieces(...texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("a request to an engine", () => {
  it.each<[string, Partial<EngineRequest>, string]>([
    ["without a body", {}, "\r\n\r\n"],
    ["of bytes", { body: Buffer.from("ab") }, "content-length: 2\r\n\r\nab"],
    [
      "of a stream",
      { body: pieces("ab", "", "0123456789abcdef!") },
      "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n11\r\n0123456789abcdef!\r\n0\r\n\r\n",
    ],
    [
      "of a stream with a length",
      { body: pieces("a", "b"), announcedBytes: 2 },
      "content-length: 2\r\n\r\nab",
    ],
    ["of an empty stream", { method: "POST", body: pieces() }, "content-length: 0\r\n\r\n"],
    ["of an empty POST", { method: "POST" }, "content-length: 0\r\n\r\n"],
  ])("%s has one framing", async (_, request, end) => {
    let seen = "";
    script = (socket, text) => {
      seen += text;
      if (seen.endsWith(end)) socket.write(good);
    };
    await ownAnswer(
      { path: "/x", method: "PUT", headers: ["A", "b"], ...request },
      connectionsOf(),
    );
    const method = request.method ?? "PUT";
    const length =
      request.body === undefined && request.method === undefined ? "content-length: 0" : "";
    expect(seen).toBe(
      `${method} /x HTTP/1.1\r\nhost: 127.0.0.1:${port()}\r\nconnection: keep-alive\r\nA: b\r\n${length}${end}`,
    );
  });

  it.each<[string, Partial<EngineRequest>]>([
    ["a header that ends its line", { headers: ["A", "b\r\nC: d"] }],
    ["a name with a space", { headers: ["A b", "c"] }],
    ["a character beyond a byte", { headers: ["A", "\u{100}"] }],
    ["a path with a space", { path: "/ HTTP/1.1" }],
    ["a method with an end of line", { method: "GET\r\n" }],
  ])("with %s is never sent", async (_, request) => {
    const before = connectionsTotal;
    const answer = await ownAnswer({ path: "/", method: "GET", ...request }, connectionsOf());
    expect([answer, connectionsTotal - before]).toEqual(["invalid", 0]);
  });

  it.each([
    ["shorter", pieces("a")],
    ["longer", pieces("ab", "c")],
  ])("is broken off if its body is %s than announced", async (_, body) => {
    let seen = "";
    script = (__, text) => void (seen += text);
    const request = { path: "/", method: "POST", body, announcedBytes: 2 };
    expect(await ownAnswer(request, connectionsOf())).toBe("broken");
    expect(seen).not.toContain("c\r\n");
  });
});
