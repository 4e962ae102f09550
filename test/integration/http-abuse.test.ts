import { once } from "node:events";
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blockOf, endHeaders, frameOf, frameTypes } from "../../loadtest/fuzz-http/http2-frames.ts";
import { exchanged, startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";
import { eventually } from "#test/support/wait.ts";

let engine: Awaited<ReturnType<typeof startScriptedEngine>>;
let gateway: Awaited<ReturnType<typeof startHttpGateway>>;

beforeAll(async () => {
  engine = await startScriptedEngine((_, response) => response.end("ok"));
  gateway = await startHttpGateway({ engines: [engine.port], http: { headTimeoutMs: 1_000 } });
});

afterAll(async () => {
  await gateway.close();
  await engine.close();
});

/** True if the gateway serves, which a crash or a leaked request would prevent. */
async function serves(): Promise<boolean> {
  const response = await fetch(`${gateway.origin}/p`, { headers: { connection: "close" } });
  return response.status === 200 && (await response.text()) === "ok";
}

async function opened(): Promise<Socket> {
  const socket = connect(gateway.port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("a client that is slow", () => {
  it.each(["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nX-"])(
    "with a head that begins %j is cut off",
    async (begun) => {
      const socket = await opened();
      socket.resume();
      socket.write(begun);
      await once(socket, "close");
      expect(await serves()).toBe(true);
    },
  );

  it("may take longer for its body", async () => {
    const socket = await opened();
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n");
    for (let sent = 0; sent < 12; sent += 1) {
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
      socket.write("x");
    }
    const answer = await eventually("the answer", () =>
      received.includes("\r\n\r\n") ? received : undefined,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/u);
    socket.destroy();
  });
});

describe("many connections", () => {
  it("that are idle cost no request", async () => {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, opened));
    expect(await serves()).toBe(true);
    for (const socket of sockets) socket.destroy();
    expect(await serves()).toBe(true);
  });

  it("that are reset at any time leave no request open", async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, opened));
    for (const [index, socket] of sockets.entries()) {
      const request =
        'POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{"model":"m"}       ';
      socket.write(request.slice(0, (index * 7) % request.length), () => {
        socket.resetAndDestroy();
      });
    }
    await eventually("the ends of all", async () => {
      const page = await gateway.page("/metrics");
      const running = [...page.matchAll(/^llm_d_epp_request_running\{.*\} (\d+)$/gmu)];
      return running.every(([, count]) => count === "0") ? true : undefined;
    });
    expect(await serves()).toBe(true);
  });

  it("of HTTP/2 that reset their streams do not stop it", async () => {
    const session = http2.connect(gateway.origin);
    session.on("error", () => undefined);
    for (let sent = 0; sent < 300; sent += 1) {
      const stream = session.request({ ":method": "POST", ":path": "/v1/completions" });
      stream.on("error", () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    expect(await serves()).toBe(true);
    session.destroy();
  });
});

async function openConnections(): Promise<string | undefined> {
  const page = await gateway.page("/metrics");
  return /^pointsman_gateway_client_connections (\d+)$/mu.exec(page)?.[1];
}

describe("a client that leaves with several requests on its connection", () => {
  it("ends the work of all, and frees their places", async () => {
    let aborted = 0;
    const holding = await startScriptedEngine((request, response) => {
      if (request.url === "/fast") return void response.end("ok");
      response.on("close", () => (aborted += 1));
    });
    const other = await startHttpGateway({ engines: [holding.port] });
    const socket = connect(other.port, "127.0.0.1");
    for (const target of ["/slow", "/slow", "/fast", "/slow"]) {
      socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
    await eventually("all at the engine", () => (holding.seen.length === 4 ? true : undefined));
    socket.destroy();
    await eventually("the end of all", () => (aborted === 3 ? true : undefined));
    await eventually("no request", async () =>
      (await other.page("/metrics")).includes("pointsman_gateway_requests_running 0\n")
        ? true
        : undefined,
    );
    expect(other.requests()).toHaveLength(4);
    await other.close();
    await holding.close();
  });
});

describe("a client of HTTP/2 that closes its connection without a word", () => {
  const greeting = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

  it.each([
    ["before a request", greeting],
    ["in the middle of a frame", greeting.subarray(0, 20)],
    [
      "in the middle of a request",
      Buffer.concat([
        greeting,
        frameOf(
          frameTypes.headers,
          endHeaders,
          1,
          blockOf([
            [":method", "POST"],
            [":scheme", "http"],
            [":authority", "a"],
            [":path", "/v1/completions"],
          ]),
        ),
      ]),
    ],
  ])("%s leaves nothing behind", async (_, bytes) => {
    await eventually("no connection", async () => (await openConnections()) === "0" || undefined);
    const socket = await opened();
    socket.resume();
    socket.write(bytes);
    await eventually("one connection", async () => (await openConnections()) === "1" || undefined);
    socket.end();
    await eventually("no connection", async () => (await openConnections()) === "0" || undefined);
    const page = await gateway.page("/metrics");
    expect(page).toContain("pointsman_gateway_requests_running 0");
  });

  it("ends the work of its engine", async () => {
    let isAborted = false;
    const holding = await startScriptedEngine((_, response) => {
      response.on("close", () => (isAborted = true));
    });
    const other = await startHttpGateway({ engines: [holding.port] });
    const session = http2.connect(other.origin);
    session.on("error", () => undefined);
    const stream = session.request({ ":method": "POST", ":path": "/v1/completions" });
    stream.on("error", () => undefined);
    stream.end('{"model":"m","prompt":"x"}');
    await eventually("the request", () => (holding.seen.length === 1 ? true : undefined));
    // As a kernel closes the connection of a process that was killed.
    session.socket.destroy();
    await eventually("the end of the work", () => isAborted || undefined);
    expect(other.requests()).toMatchObject([{ end: "aborted", endedBy: "client" }]);
    await other.close();
    await holding.close();
  });
});

describe("bytes that are not a request", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ..."GET ,POST ,PRI ,/,*,http://a/,HTTP/1.1,HTTP/2.0,\r\n,\n,\r,:,Host,Content-Length,Transfer-Encoding,chunked,Upgrade,websocket,Connection,close,Expect,100-continue,0,5,ffff,{,},\0,SM\r\n\r\n".split(
        ",",
      ),
    ),
    fc.string({ maxLength: 8 }),
    fc.integer({ min: 0, max: 255 }).map((code) => String.fromCodePoint(code)),
  );

  it("get an error of a client or a closed connection", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
        const answer = await exchanged(gateway.port, `${pieces.join("")}\r\n\r\n`, 50);
        const status = Number(/^HTTP\/1\.1 (\d+)/u.exec(answer)?.[1] ?? 0);
        expect([0, 100, 200, 400, 404, 408, 413, 417, 431, 502]).toContain(status);
      }),
      { numRuns: 60 },
    );
    expect(await serves()).toBe(true);
  });
});
