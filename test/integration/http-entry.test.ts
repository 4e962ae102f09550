import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { text } from "node:stream/consumers";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, describe, expect, it } from "vitest";
import { parseApiKeys } from "../../src/config/api-keys.ts";
import { selfSignedIdentity } from "../../src/listening/self-signed.ts";
import {
  exchanged,
  type HttpGatewayOptions,
  openGate,
  startHttpGateway,
  startScriptedEngine,
} from "#test/support/http-gateway.ts";
import { eventually } from "#test/support/wait.ts";

type Gate = NonNullable<NonNullable<HttpGatewayOptions["http"]>["gate"]>;

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function aGateway(options: HttpGatewayOptions, gate: Partial<Gate> = {}) {
  const gateway = await startHttpGateway({
    ...options,
    http: { ...options.http, gate: { ...openGate, ...gate } },
  });
  opened.push(gateway.close);
  return gateway;
}

async function scripted(...parts: Parameters<typeof startScriptedEngine>) {
  const engine = await startScriptedEngine(...parts);
  opened.push(engine.close);
  return engine;
}

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-entry-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const chat = { model: "m", messages: [{ role: "user", content: "hi" }] };
const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };
const answer = JSON.stringify({ choices: [{ message: { content: "ok" } }], usage });
const answering = (_: unknown, response: http.ServerResponse) => {
  response.setHeader("content-type", "application/json").end(answer);
};

/** Sends a byte after the other until an answer comes, and reads it to its end. */
async function dripped(port: number, begun: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
  socket.on("end", () => socket.end());
  socket.write(begun);
  const timer = setInterval(() => {
    if (received === "") socket.write("x");
  }, 50);
  await once(socket, "close");
  clearInterval(timer);
  return received;
}

/** An engine whose answers wait until they are released. */
async function aHoldingEngine() {
  const held: http.ServerResponse[] = [];
  const engine = await scripted((_, response) => void held.push(response));
  return { engine, held, release: () => held.splice(0).forEach((each) => answering(0, each)) };
}

const codeOf = async (response: Response) =>
  [response.status, ((await response.json()) as { error: { code: string } }).error.code] as const;

describe("requests at once", () => {
  const tight = { requests: { heldMax: 1, waitingMax: 1, waitMs: 300 } };

  it("wait for a place, in turn, and beyond the queue get 429 at once", async () => {
    const { engine, held, release } = await aHoldingEngine();
    const gateway = await aGateway(
      { engines: [engine.port] },
      { requests: { heldMax: 1, waitingMax: 1, waitMs: 20_000 } },
    );
    const first = gateway.ask(chat);
    await eventually("the first at the engine", async () => held.length === 1 || undefined);
    const second = gateway.ask(chat);
    await eventually(
      "the second in the queue",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_gateway_requests_waiting 1") ||
        undefined,
    );
    const third = await gateway.ask(chat);
    expect(third.headers.get("retry-after")).toBe("1");
    expect(await codeOf(third)).toEqual([429, "queue_full"]);
    expect(held).toHaveLength(1);
    release();
    await eventually("the second at the engine", async () => held.length === 1 || undefined);
    release();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    const page = await gateway.page("/metrics");
    expect(page).toContain("pointsman_gateway_requests_running 0");
    expect(page).toMatch(/llm_d_epp_request_error_total\{.*error_code="queue_full".*\} 1/u);
  });

  it("get 429 in the shape of their API after the wait", async () => {
    const { engine, held } = await aHoldingEngine();
    const gateway = await aGateway({ engines: [engine.port] }, tight);
    const abort = new AbortController();
    const first = gateway.ask(chat, { signal: abort.signal }).catch(() => undefined);
    await eventually("the first at the engine", async () => held.length === 1 || undefined);
    const late = await gateway.ask({ ...chat, max_tokens: 5 }, {}, "/v1/messages");
    expect([late.status, await late.json()]).toMatchObject([
      429,
      { type: "error", error: { type: "rate_limit_error" } },
    ]);
    abort.abort();
    await first;
    const refused = await eventually("the log", () =>
      gateway.requests().find((line) => line["refused"] !== undefined),
    );
    expect(refused).toMatchObject({ refused: "queue_timeout", status: 429 });
  });

  it("that leave free their place, in the queue and at the engine", async () => {
    const { engine, held, release } = await aHoldingEngine();
    const gateway = await aGateway(
      { engines: [engine.port] },
      { requests: { heldMax: 1, waitingMax: 1, waitMs: 20_000 } },
    );
    const [one, two] = [new AbortController(), new AbortController()];
    const gone = [one, two].map(({ signal }) => gateway.ask(chat, { signal }).catch(() => "gone"));
    await eventually(
      "one at the engine and one in the queue",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_gateway_requests_waiting 1") ||
        undefined,
    );
    two.abort();
    await eventually(
      "an empty queue",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_gateway_requests_waiting 0") ||
        undefined,
    );
    const third = gateway.ask(chat);
    one.abort();
    await eventually("the third at the engine", async () => held.length === 2 || undefined);
    release();
    expect((await third).status).toBe(200);
    expect(await Promise.all(gone)).toEqual(["gone", "gone"]);
  });
});

describe("connections to an endpoint", () => {
  it("are limited, and requests wait for one", async () => {
    let most = 0;
    let open = 0;
    const engine = await scripted((_, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        answering(0, response);
      }, 20);
    });
    const connections = { connectTimeoutMs: 10_000, headTimeoutMs: 20_000, idleTimeoutMs: 20_000 };
    const gateway = await aGateway({
      engines: [engine.port],
      http: { connections: { ...connections, perEndpointMax: 3 } },
    });
    const answers = await Promise.all(Array.from({ length: 30 }, () => gateway.ask(chat)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(most).toBe(3);
  });

  it("are waited for no longer than a try may take", async () => {
    const begun: http.ServerResponse[] = [];
    const engine = await scripted((_, response) => {
      response.write("x");
      begun.push(response);
    });
    const connections = { connectTimeoutMs: 10_000, headTimeoutMs: 1_000, idleTimeoutMs: 20_000 };
    const gateway = await aGateway({
      engines: [engine.port],
      http: { connections: { ...connections, perEndpointMax: 1 } },
    });
    const first = await gateway.ask(chat);
    const others = await Promise.all([gateway.ask(chat), gateway.ask(chat)]);
    expect(await Promise.all(others.map(codeOf))).toEqual([
      [504, "upstream_timeout"],
      [504, "upstream_timeout"],
    ]);
    for (const response of begun) response.end();
    expect(await first.text()).toBe("x");
    expect(engine.seen).toHaveLength(1);
  });
});

const postOf = (length: number, more = "") =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

describe("bodies", () => {
  it.each(["/v1/chat/completions", "/unknown"])("of %s that stop get 408", async (target) => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port] }, { bodyTimeoutMs: 300 });
    const head = postOf(100).replace("/v1/chat/completions", target);
    const received = await exchanged(gateway.port, `${head}{"model":`, 1_000);
    expect(received).toContain("HTTP/1.1 408 Request Timeout");
    expect(received).toContain('"code":"body_timeout"');
    expect(gateway.requests()).toMatchObject([{ refused: "body_timeout", status: 408 }]);
    expect(engine.seen).toEqual([]);
  });

  it("that drip for longer than their speed allows get 408", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port] }, { bodyTimeoutMs: 500 });
    expect(await dripped(gateway.port, postOf(10_000))).toContain("HTTP/1.1 408");
  });

  it("that are refused early may still be sent, and the answer arrives", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port], http: { bodyBytesMax: 1_000 } });
    const request = http.request(`${gateway.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "transfer-encoding": "chunked" },
    });
    const response = once(request, "response") as Promise<[http.IncomingMessage]>;
    for (let piece = 0; piece < 50; piece += 1) request.write(Buffer.alloc(100_000, 0x20));
    const isSent = new Promise((resolve) => {
      request.end(() => resolve(true));
    });
    const [answered] = await response;
    expect(await isSent).toBe(true);
    expect(answered.statusCode).toBe(413);
    expect(await text(answered)).toContain("body_too_large");
  });

  it("of unknown paths stream through beyond the limit", async () => {
    const engine = await scripted((_, response, body) => void response.end(String(body.length)));
    const gateway = await aGateway({ engines: [engine.port], http: { bodyBytesMax: 1_000 } });
    const response = await fetch(`${gateway.origin}/upload`, {
      method: "POST",
      body: Buffer.alloc(3_000_000),
    });
    expect(await response.text()).toBe("3000000");
  });

  it("that an engine answers early leave the client its answer", async () => {
    const server = http.createServer((request, response) => {
      if (request.url === "/v1/models") return void response.end('{"data":[{"id":"m"}]}');
      // Without reading a byte.
      response.writeHead(403, { connection: "close" }).end("no");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    opened.push(async () => {
      server.close();
      server.closeAllConnections();
    });
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const gateway = await aGateway({ engines: [port] });
    const received = await exchanged(
      gateway.port,
      `POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1_000)}`,
      1_000,
    );
    expect(received).toContain("HTTP/1.1 403");
  });

  it("that stop within an answer are not the engine's fault", async () => {
    const engine = await scripted(answering);
    // The answer begins with the first bytes of the body.
    engine.server.prependListener("request", ({ url }, response) => {
      if (url === "/echo") response.write("so far");
    });
    const gateway = await aGateway({ engines: [engine.port] }, { bodyTimeoutMs: 300 });
    const request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
    expect(await exchanged(gateway.port, request, 2_000)).toMatch(/^HTTP\/1\.1 200 /u);
    await eventually("the log", async () => gateway.requests().length === 1 || undefined);
    expect(gateway.requests()).toMatchObject([{ end: "aborted", endedBy: "client" }]);
  });
});

describe("all bodies together", () => {
  it("have a limit, and the largest that is still arriving gets 429", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port] }, { heldBodyBytesMax: 4_000 });
    const sockets = ["x".repeat(2_500), "x".repeat(1_000), "x".repeat(1_000)].map((part) => {
      const socket = connect(gateway.port, "127.0.0.1");
      socket.write(`${postOf(3_000)}${part}`);
      return { socket, received: text(socket) };
    });
    const [largest] = sockets;
    if (largest === undefined) throw new Error("three sockets");
    const refused = eventually("the refusal", () =>
      largest.socket.bytesRead > 0 ? true : undefined,
    );
    await refused;
    // There is room for others again.
    expect((await gateway.ask(chat)).status).toBe(200);
    const page = await gateway.page("/metrics");
    expect(page).toContain("pointsman_gateway_bodies_refused_total 1\n");
    expect(page).toMatch(/pointsman_gateway_held_body_bytes 2000\n/u);
    for (const { socket } of sockets) socket.end();
    const [first = "", ...others] = await Promise.all(sockets.map(({ received }) => received));
    expect(first).toContain("HTTP/1.1 429 ");
    expect(first).toMatch(/\r\nretry-after: 1\r\n/iu);
    expect(first).toContain('"code":"bodies_full"');
    expect(others.join("")).not.toContain(" 429 ");
    await eventually("no bytes", async () =>
      (await gateway.page("/metrics")).includes("pointsman_gateway_held_body_bytes 0\n")
        ? true
        : undefined,
    );
  });

  it("count until their answers end", async () => {
    const streams: http.ServerResponse[] = [];
    const engine = await scripted((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: {}\n\n");
      streams.push(response);
    });
    const gateway = await aGateway({ engines: [engine.port] }, { heldBodyBytesMax: 4_000 });
    const long = { ...chat, stream: true, padding: "x".repeat(2_500) };
    const first = await gateway.ask(long);
    expect([first.status, (await gateway.ask(long)).status]).toEqual([200, 429]);
    for (const stream of streams) stream.end("data: [DONE]\n\n");
    await first.text();
    const later = await eventually("the place of the first body", async () => {
      const response = await gateway.ask(long);
      return response.status === 200 ? response : undefined;
    });
    streams.at(-1)?.end("data: [DONE]\n\n");
    await later.text();
  });
});

/** Answers without an end. */
function endless(response: http.ServerResponse): void {
  response.on("error", () => undefined);
  response.writeHead(200, { "content-type": "application/octet-stream" });
  const chunk = Buffer.alloc(65_536);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", more);
  more();
}

async function isRunning(page: () => Promise<string>, count: number): Promise<true | undefined> {
  return (await page()).includes(`pointsman_gateway_requests_running ${count}\n`) || undefined;
}

describe("clients that do not read", () => {
  it("lose their answer after a while, and the engine its work", async () => {
    let isAborted = false;
    const engine = await scripted((_, response) => {
      response.on("close", () => (isAborted = true));
      endless(response);
    });
    const gateway = await aGateway({ engines: [engine.port] }, { readTimeoutMs: 300 });
    const page = () => gateway.page("/metrics");
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually("the end of the work", () => isAborted || undefined);
    await eventually("a free place", () => isRunning(page, 0));
    const [line] = await eventually("the log", () =>
      gateway.requests().length > 0 ? gateway.requests() : undefined,
    );
    expect(line).toMatchObject({ end: "aborted", endedBy: "client" });
    expect(await page()).toContain("pointsman_gateway_readers_given_up_total 1\n");
    socket.destroy();
  });

  it("lose their stream of HTTP/2, and the others of the connection go on", async () => {
    const engine = await scripted((request, response) => {
      if (request.url === "/endless") endless(response);
      else response.end("ok");
    });
    const gateway = await aGateway({ engines: [engine.port] }, { readTimeoutMs: 300 });
    const session = http2.connect(gateway.origin);
    const stuck = session.request({ ":path": "/endless" });
    // A stream that nobody reads closes its window.
    const closed = once(stuck, "close");
    stuck.on("error", () => undefined);
    await closed;
    expect(stuck.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
    expect(await text(session.request({ ":path": "/ok" }))).toBe("ok");
    session.close();
  });

  it("keep their place until they have read the end of their answer", async () => {
    const length = 32 * 2 ** 20;
    const engine = await scripted((_, response) => void response.end(Buffer.alloc(length)));
    const gateway = await aGateway({ engines: [engine.port] }, { readTimeoutMs: 60_000 });
    const page = () => gateway.page("/metrics");
    const socket = connect(gateway.port, "127.0.0.1");
    socket.write("GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await once(socket, "readable");
    await sleep(300);
    expect(await isRunning(page, 1)).toBe(true);
    let bytes = 0;
    for await (const chunk of socket) bytes += (chunk as Buffer).length;
    expect(bytes).toBeGreaterThan(length);
    await eventually("a free place", () => isRunning(page, 0));
  });

  it("but read slowly get all of it", async () => {
    const length = 4 * 2 ** 20;
    const engine = await scripted((_, response) => void response.end(Buffer.alloc(length)));
    const readTimeoutMs = 2_000;
    const gateway = await aGateway({ engines: [engine.port] }, { readTimeoutMs });
    const socket = connect(gateway.port, "127.0.0.1");
    const startMs = performance.now();
    socket.write("GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let bytes = 0;
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length;
      await sleep(50);
    }
    expect(bytes).toBeGreaterThan(length);
    // 4 MiB in pieces of at most 64 KiB.
    expect(performance.now() - startMs).toBeGreaterThan(readTimeoutMs);
  });
});

describe("heads", () => {
  it.each([
    ["are too large", `GET / HTTP/1.1\r\nHost: a\r\nx: ${"y".repeat(40_000)}\r\n\r\n`, "431"],
    ["are no HTTP", "hello\r\n\r\n", "400"],
    ["do not end", "GET / HTTP/1.1\r\nHost: a\r\n", "408"],
  ])("that $0 get $2 in JSON, and their connection closes", async (_, sent, status) => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port], http: { headTimeoutMs: 500 } });
    const received = await exchanged(gateway.port, sent, 4_000);
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `, "u"));
    const [, body = ""] = received.split("\r\n\r\n");
    expect(JSON.parse(body)).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  it("that drip byte by byte do not hold their connection", async () => {
    const gateway = await aGateway({
      engines: [],
      http: { headTimeoutMs: 500 },
      ignoresModels: true,
    });
    expect(await dripped(gateway.port, "GET / HTTP/1.1\r\n")).toContain("HTTP/1.1 408");
  });
});

describe("connections of clients", () => {
  it("that say nothing do not keep others out, and close", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port], http: { headTimeoutMs: 3_000 } });
    const idle: Socket[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      const socket = connect(gateway.port, "127.0.0.1");
      socket.on("error", () => undefined);
      idle.push(socket);
    }
    for (const socket of idle) if (socket.connecting) await once(socket, "connect");
    expect((await gateway.ask(chat)).status).toBe(200);
    for (const socket of idle) if (!socket.closed) await once(socket.resume(), "close");
    await eventually("few connections", async () => {
      const page = await gateway.page("/metrics");
      const [, count = "1000"] = /pointsman_gateway_client_connections (\d+)/u.exec(page) ?? [];
      return Number(count) < 10 || undefined;
    });
  });

  it.each([
    ["HTTP", {}, Buffer.from("PRI * HTTP")],
    ["HTTPS", { tls: { files: undefined } }, Buffer.from([0x16, 3, 1])],
  ])("that have hardly begun close with the gateway: %s", async (_, options, begin) => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port], ...options });
    const both = [0, 1].map(() => connect(gateway.port, "127.0.0.1").resume());
    for (const socket of both) socket.on("error", () => undefined);
    both[1]?.write(begin);
    await eventually("two connections", async () => {
      const page = await gateway.page("/metrics");
      return page.includes("pointsman_gateway_client_connections 2") || undefined;
    });
    const closed = both.map((socket) => once(socket, "close"));
    await gateway.close();
    await Promise.race([Promise.all(closed), sleep(2_000)]);
    expect(both.map((socket) => socket.closed)).toEqual([true, true]);
  });

  it("beyond the limit are closed at once, and counted", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port], http: { connectionsMax: 2 } });
    const sockets = Array.from({ length: 2 }, () => connect(gateway.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await eventually(
      "both accepted",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_gateway_client_connections 2") ||
        undefined,
    );
    await expect(gateway.ask(chat)).rejects.toThrow("fetch failed");
    for (const socket of sockets) socket.destroy();
    await eventually(
      "a place",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_gateway_client_connections 0") ||
        undefined,
    );
    expect((await gateway.ask(chat)).status).toBe(200);
    expect(await gateway.page("/metrics")).toMatch(
      /pointsman_gateway_client_connections_refused_total [1-9]/u,
    );
  });

  it("of HTTP/2 close if they are unused, and stay while a request is open", async () => {
    const { engine, held, release } = await aHoldingEngine();
    const gateway = await aGateway({ engines: [engine.port], http: { keepAliveMs: 200 } });
    const session = http2.connect(gateway.origin);
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/chat/completions",
      "content-type": "application/json",
    });
    stream.end(JSON.stringify(chat));
    await eventually("the request", async () => held.length === 1 || undefined);
    await sleep(500);
    expect(session.closed).toBe(false);
    release();
    expect(await text(stream)).toBe(answer);
    await once(session, "close");
  });
});

/** The answer to a request as browsers send it without asking first. */
function simplyAsked(port: number, headers: string): Promise<string> {
  const body = JSON.stringify(chat);
  return exchanged(
    port,
    `POST /v1/chat/completions HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${headers}\r\n\r\n${body}`,
  );
}

describe("web pages of others", () => {
  it.each([
    ["a name that points to this machine", "Host: evil.example", "host_not_allowed"],
    ["the same with a port", "Host: evil.example:8080", "host_not_allowed"],
    ["a form", "Host: 127.0.0.1\r\nOrigin: https://evil.example", "origin_not_allowed"],
    ["a hidden origin", "Host: localhost\r\nOrigin: null", "origin_not_allowed"],
    ["an image", "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site", "origin_not_allowed"],
    [
      "a frame",
      "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate",
      "origin_not_allowed",
    ],
    [
      "a WebSocket",
      "Host: 127.0.0.1\r\nOrigin: https://evil.example\r\nConnection: upgrade\r\nUpgrade: websocket",
      "origin_not_allowed",
    ],
  ])("cannot use it by %s", async (_, headers, code) => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port] }, { allowedHosts: [] });
    const received = await simplyAsked(gateway.port, headers);
    expect(received).toMatch(/^HTTP\/1\.1 403 /u);
    expect(received).toContain(`"code":"${code}"`);
    expect(engine.seen).toEqual([]);
  });

  it.each([
    ["a program", "Host: 127.0.0.1:8080"],
    ["a tunnel", "Host: localhost:9999"],
    ["a container", "Host: host.docker.internal:8080"],
    ["a name that the operator allows", "Host: llm.example.com"],
    ["its own page", "Host: llm.example.com\r\nOrigin: https://llm.example.com"],
    ["a page of this machine", "Host: 127.0.0.1:8080\r\nOrigin: http://localhost:3000"],
    ["a page that the operator allows", "Host: localhost\r\nOrigin: https://chat.example.com"],
    ["a desktop application", "Host: localhost\r\nOrigin: app://obsidian.md"],
    [
      "a person who follows a link",
      "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1",
    ],
  ])("do not shut out %s", async (_, headers) => {
    const engine = await scripted(answering);
    const gateway = await aGateway(
      { engines: [engine.port] },
      { allowedHosts: ["llm.example.com"], corsOrigins: ["https://chat.example.com"] },
    );
    expect(await simplyAsked(gateway.port, headers)).toMatch(/^HTTP\/1\.1 200 /u);
  });
});

const keys = { alice: "sk-alice-0123456789", bob: "sk-bob-0123456789ab" };
const keysText = `keys:
  - { name: alice, key: ${keys.alice} }
  - { name: bob, key: ${keys.bob}, models: [m, adapter], requestsPerMinute: 6, tokensPerMinute: 45 }
`;
const bearer = (key: string) => ({
  headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
});

/** A gateway with the keys of this text in a file. */
async function aLockedGateway(options: HttpGatewayOptions, gate: Partial<Gate> = {}) {
  const file = path.join(await aFolder(), "keys");
  await writeFile(file, keysText);
  const parsed = parseApiKeys(keysText);
  if (parsed.kind === "invalid") throw new Error(parsed.mistakes.join("\n"));
  const gateway = await aGateway(options, { apiKeys: { file, first: parsed.keys }, ...gate });
  return { ...gateway, file };
}

describe("API keys", () => {
  it("are asked for in the shape of the API, before the body is read", async () => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const none = await gateway.ask(chat);
    expect([none.status, none.headers.get("content-type")]).toEqual([401, "application/json"]);
    expect(await none.json()).toMatchObject({
      error: { type: "invalid_request_error", code: "invalid_api_key" },
    });
    const wrong = await gateway.ask(chat, bearer("sk-wrong-0123456789"), "/v1/messages");
    expect([wrong.status, await wrong.json()]).toMatchObject([
      401,
      { type: "error", error: { type: "authentication_error" } },
    ]);
    for (const target of ["/v1/models", "/health", "/metrics", "/v1/responses/x"]) {
      expect((await fetch(`${gateway.origin}${target}`)).status).toBe(401);
    }
    const waiting = await exchanged(gateway.port, postOf(100_000, "Expect: 100-continue\r\n"));
    expect(waiting).toMatch(/^HTTP\/1.1 401 /u);
    expect(engine.seen).toEqual([]);
  });

  it("open the gateway to the clients of OpenAI and Anthropic, who get their own errors", async () => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const openai = (apiKey: string) =>
      new OpenAI({ apiKey, baseURL: `${gateway.origin}/v1`, maxRetries: 0 });
    const completed = await openai(keys.alice).chat.completions.create({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
    });
    expect(completed.choices).toHaveLength(1);
    await expect(openai("sk-wrong-0123456789").models.list()).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    const anthropic = (apiKey: string) =>
      new Anthropic({ apiKey, baseURL: gateway.origin, maxRetries: 0 });
    const asked = {
      model: "m",
      max_tokens: 5,
      messages: [{ role: "user" as const, content: "hi" }],
    };
    await anthropic(keys.bob).messages.create(asked);
    await expect(anthropic("sk-wrong-0123456789").messages.create(asked)).rejects.toBeInstanceOf(
      Anthropic.AuthenticationError,
    );
    expect(engine.seen).toHaveLength(2);
  });

  it.each([
    { forwardsCredentials: false, seen: undefined },
    { forwardsCredentials: true, seen: `Bearer ${keys.alice}` },
  ])("reach engines only if told: $forwardsCredentials", async ({ forwardsCredentials, seen }) => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] }, { forwardsCredentials });
    const headers = { ...bearer(keys.alice).headers, "x-llm-d-inference-fairness-id": "root" };
    await gateway.ask(chat, { headers: { ...headers, "x-gateway-inference-fairness-id": "root" } });
    expect(engine.seen[0]?.headers).toMatchObject({ "x-llm-d-inference-fairness-id": "alice" });
    expect(engine.seen[0]?.headers["x-gateway-inference-fairness-id"]).toBeUndefined();
    expect(engine.seen[0]?.headers.authorization).toBe(seen);
    expect(gateway.requests()).toMatchObject([{ key: "alice", status: 200 }]);
    expect(JSON.stringify(gateway.lines)).not.toContain(keys.alice);
    const page = await gateway.page("/metrics");
    expect(page).toContain('pointsman_api_key_requests_total{key="alice"} 1');
    expect(page).toContain('pointsman_api_key_tokens_total{key="alice"} 30');
    expect(page).toMatch(/llm_d_epp_request_total\{.*fairness_id="alice".*\} 1/u);
  });

  it("without a file pass to engines", async () => {
    const engine = await scripted(answering);
    const gateway = await aGateway({ engines: [engine.port] });
    await gateway.ask(chat, bearer("engine-key"));
    expect(engine.seen[0]?.headers.authorization).toBe("Bearer engine-key");
  });

  it("may be limited to models, whatever the request claims", async () => {
    const engine = await scripted(answering, ["m", "secret", "adapter"]);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const bob = bearer(keys.bob);
    const list = await fetch(`${gateway.origin}/v1/models`, bob);
    const { data } = (await list.json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(["m", "adapter"]);
    const refused = [403, "model_not_allowed"];
    expect(await codeOf(await gateway.ask({ ...chat, model: "secret" }, bob))).toEqual(refused);
    const twice = '{"model":"m","messages":[],"model":"secret"}';
    expect(await codeOf(await gateway.ask(twice, bob))).toEqual(refused);
    expect(await codeOf(await gateway.ask({ messages: chat.messages }, bob))).toEqual(refused);
    const load = { lora_name: "x", model: "m" };
    expect(await codeOf(await gateway.ask(load, bob, "/v1/load_lora_adapter"))).toEqual(refused);
    expect(engine.seen).toEqual([]);
  });

  it("cannot be widened by a header that rewrites the model", async () => {
    const engine = await scripted(answering, ["m", "secret"]);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const headers = { ...bearer(keys.bob).headers, "x-llm-d-model-name-rewrite": "secret" };
    expect(await codeOf(await gateway.ask(chat, { headers }))).toEqual([403, "model_not_allowed"]);
    expect((await gateway.ask(chat, bearer(keys.bob))).status).toBe(200);
  });

  it.each(["h2", "http/2", "HTTP/1.1", "websocket, h2c", "websocket"])(
    "cannot be widened by an ignored upgrade and a model in the query: %s",
    async (upgrade) => {
      const engine = await scripted(answering, ["m", "secret"]);
      const gateway = await aLockedGateway({ engines: [engine.port] });
      // A multipart body without its boundary is not read here; an engine may be more lenient.
      const body = "--x\r\nmodel=secret";
      const received = await exchanged(
        gateway.port,
        `POST /v1/audio/transcriptions?model=m HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${keys.bob}\r\n` +
          `Connection: upgrade\r\nUpgrade: ${upgrade}\r\nContent-Type: multipart/form-data\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
      expect(received).toMatch(/^HTTP\/1\.1 403 [\s\S]*model_not_allowed/u);
      expect(engine.seen).toEqual([]);
    },
  );

  it("have rates, which their answers show", async () => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const bob = bearer(keys.bob);
    const first = await gateway.ask(chat, bob);
    const shown = ["limit-requests", "remaining-requests", "limit-tokens"];
    expect(shown.map((name) => first.headers.get(`x-ratelimit-${name}`))).toEqual(["6", "5", "45"]);
    await first.text();
    // 30 tokens each, by the engine's count: after the second, 15 are missing, which take 15 s to come back.
    await (await gateway.ask(chat, bob)).text();
    const third = await gateway.ask(chat, bob);
    expect(await codeOf(third)).toEqual([429, "rate_limit_exceeded"]);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(third.headers.get("x-ratelimit-remaining-tokens")).toBe("0");
    // Other keys are not affected.
    expect((await gateway.ask(chat, bearer(keys.alice))).status).toBe(200);
    const rest = await Promise.all(Array.from({ length: 5 }, () => gateway.ask(chat, bob)));
    const texts = await Promise.all(rest.map((response) => response.text()));
    // The requests of a minute are 6, refused ones among them.
    expect(texts.filter((each) => each.includes("6 requests per minute"))).toHaveLength(2);
    expect(await gateway.page("/metrics")).toContain(
      'pointsman_api_key_refused_total{key="bob"} 6',
    );
  });

  it("change with their file while requests flow, and a broken file changes nothing", async () => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] });
    const write = async (content: string) => {
      await writeFile(`${gateway.file}.new`, content);
      await rename(`${gateway.file}.new`, gateway.file);
    };
    const statusOf = async (key: string) => (await gateway.ask(chat, bearer(key))).status;
    await write("carol sk-carol-0123456789\n");
    await eventually("the new key", async () => {
      return (await statusOf("sk-carol-0123456789")) === 200 || undefined;
    });
    expect(await statusOf(keys.alice)).toBe(401);
    await write("carol short\n");
    await eventually(
      "the refusal",
      async () =>
        (await gateway.page("/metrics")).includes("pointsman_api_keys_last_reload_success 0") ||
        undefined,
    );
    expect(await statusOf("sk-carol-0123456789")).toBe(200);
    expect(gateway.lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(["API keys reloaded", "API keys refused"]),
    );
  });
});

async function aTlsGateway(clientCa?: Buffer) {
  const folder = await aFolder();
  const [certificateFile, privateKeyFile] = ["c.pem", "k.pem"].map((name) =>
    path.join(folder, name),
  ) as [string, string];
  const write = async () => {
    const identity = await selfSignedIdentity(Date.now());
    await writeFile(certificateFile, identity.certificate);
    await writeFile(privateKeyFile, identity.privateKey);
    return identity.certificate;
  };
  const certificate = await write();
  const clientCaFile = path.join(folder, "ca.pem");
  if (clientCa !== undefined) await writeFile(clientCaFile, clientCa);
  const files = { certificateFile, privateKeyFile };
  const engine = await scripted(answering);
  const gateway = await aGateway({
    engines: [engine.port],
    tls: { files: clientCa === undefined ? files : { ...files, clientCaFile } },
  });
  return { gateway, engine, certificate, clientCaFile, write };
}

const askedOver = (port: number, identity: { cert?: Buffer; key?: Buffer } = {}) =>
  new Promise<{ readonly body: string; readonly fingerprint: string }>((resolve, reject) => {
    const options = { port, method: "POST", path: "/v1/chat/completions", agent: false };
    const request = https.request({
      ...options,
      ...identity,
      rejectUnauthorized: false,
      headers: { "content-type": "application/json" },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      // A request over HTTPS has a socket of TLS.
      const socket = response.socket as TLSSocket;
      const { fingerprint256: fingerprint } = socket.getPeerCertificate();
      void text(response).then((body) => resolve({ body, fingerprint }), reject);
    });
    request.end(JSON.stringify(chat));
  });

describe("TLS", () => {
  it("serves HTTP/1.1 and HTTP/2, and engines learn of it", async () => {
    const { gateway, engine } = await aTlsGateway();
    expect((await askedOver(gateway.port)).body).toBe(answer);
    const session = http2.connect(`https://localhost:${gateway.port}`, {
      rejectUnauthorized: false,
    });
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/chat/completions",
      "content-type": "application/json",
    });
    stream.end(JSON.stringify(chat));
    expect([await text(stream), session.alpnProtocol]).toEqual([answer, "h2"]);
    session.close();
    expect(engine.seen.map(({ headers }) => headers["x-forwarded-proto"])).toEqual([
      "https",
      "https",
    ]);
  });

  it("tells clients without it what is wrong", async () => {
    const { gateway } = await aTlsGateway();
    const received = await exchanged(gateway.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(received).toMatch(/^HTTP\/1.1 400 [^]*HTTPS/u);
  });

  it("presents a new certificate while requests flow", async () => {
    const { gateway, write } = await aTlsGateway();
    const { fingerprint } = await askedOver(gateway.port);
    await write();
    const renewed = await eventually("the new certificate", async () => {
      const asked = await askedOver(gateway.port);
      return asked.fingerprint === fingerprint ? undefined : asked;
    });
    expect(renewed.body).toBe(answer);
  });
});

async function aClient() {
  const { certificate: cert, privateKey: key } = await selfSignedIdentity(Date.now());
  return { cert, key };
}

/** OpenSSL and Node.js tell the end of a handshake in several ways. */
const refusedHandshake = /alert|certificate|hang up|ECONNRESET|EPIPE/u;

describe("certificates of clients", () => {
  it("are asked for if there is an authority for them, which is followed", async () => {
    const [alice, bob] = [await aClient(), await aClient()];
    const { gateway, engine, clientCaFile } = await aTlsGateway(alice.cert);
    expect((await askedOver(gateway.port, alice)).body).toBe(answer);
    await expect(askedOver(gateway.port)).rejects.toThrow(refusedHandshake);
    await expect(askedOver(gateway.port, bob)).rejects.toThrow(refusedHandshake);
    await writeFile(clientCaFile, bob.cert);
    await eventually("the new authority", () =>
      askedOver(gateway.port, bob).then(
        () => true,
        () => undefined,
      ),
    );
    await expect(askedOver(gateway.port, alice)).rejects.toThrow(refusedHandshake);
    expect(engine.seen).toHaveLength(2);
  });
});

describe("web pages", () => {
  const origin = "https://chat.example.com";
  const preflight = (url: string, from = origin) =>
    fetch(url, {
      method: "OPTIONS",
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });

  it("may not read answers, whatever an engine allows", async () => {
    const engine = await scripted((_, response) => {
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("Access-Control-Allow-Credentials", "true");
      answering(0, response);
    });
    const gateway = await aGateway({ engines: [engine.port] });
    const response = await gateway.ask(chat, { headers: { origin } });
    expect(await response.text()).toBe(answer);
    const asked = await preflight(`${gateway.origin}/v1/chat/completions`);
    for (const { headers } of [response, asked]) {
      expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  it("of the origins that are named may, also answers of the gateway, and ask before without a key", async () => {
    const engine = await scripted(answering);
    const gateway = await aLockedGateway({ engines: [engine.port] }, { corsOrigins: [origin] });
    const asked = await preflight(`${gateway.origin}/v1/chat/completions`);
    expect([asked.status, asked.headers.get("access-control-allow-headers")]).toEqual([
      200,
      "authorization",
    ]);
    const refused = await gateway.ask(chat, { headers: { origin } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([
      401,
      origin,
    ]);
    const answered = await gateway.ask(chat, {
      headers: { ...bearer(keys.alice).headers, origin },
    });
    expect([answered.status, answered.headers.get("access-control-allow-origin")]).toEqual([
      200,
      origin,
    ]);
    const other = await preflight(`${gateway.origin}/v1/chat/completions`, "https://evil.example");
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
    expect(engine.seen).toHaveLength(1);
  });
});
