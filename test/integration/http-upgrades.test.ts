import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { parseApiKeys } from "../../src/config/api-keys.ts";
import {
  exchanged,
  type HttpGatewayOptions,
  openGate,
  startHttpGateway,
  startScriptedEngine,
} from "#test/support/http-gateway.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const switching =
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/** An engine that accepts every upgrade; `joined` gets the connection after it. */
async function anEngine(joined: (socket: Duplex) => void, models: readonly string[] = ["m"]) {
  const engine = await startScriptedEngine((_, response) => response.end("{}"), models);
  opened.push(engine.close);
  const asked: string[] = [];
  engine.server.on("upgrade", (request, socket) => {
    asked.push(String(request.url));
    socket.on("error", () => undefined);
    socket.write(switching);
    joined(socket);
  });
  return { ...engine, asked };
}

async function aGateway(options: HttpGatewayOptions) {
  const gateway = await startHttpGateway(options);
  opened.push(gateway.close);
  return gateway;
}

const upgradeOf = (target: string, more = "") =>
  `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;

/** A client that may end its half before the other one. */
async function aClient(port: number, target = "/v1/realtime?model=m") {
  const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  opened.push(async () => void socket.destroy());
  socket.on("error", () => undefined);
  const received = { text: "", hasEnded: false };
  socket.on("data", (chunk: Buffer) => (received.text += chunk.toString()));
  socket.on("end", () => (received.hasEnded = true));
  socket.write(upgradeOf(target));
  await eventually("the upgrade", () => (received.text.includes("\r\n\r\n") ? true : undefined));
  return {
    socket,
    ended: () =>
      eventually("the end", () => (received.hasEnded ? bodyOf(received.text) : undefined)),
    said: () => bodyOf(received.text),
  };
}

const bodyOf = (text: string) => text.slice(text.indexOf("\r\n\r\n") + 4);

const ends = (socket: Duplex) => void socket.end();

describe("an upgrade before the answer to an earlier request", () => {
  it("is a usual request, answered in its turn", async () => {
    const engine = await anEngine(ends);
    const { port } = await aGateway({ engines: [engine.port] });
    const socket = connect(port, "127.0.0.1");
    opened.push(async () => void socket.destroy());
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write(`GET /one HTTP/1.1\r\nHost: a\r\n\r\n${upgradeOf("/two")}`);
    await eventually(
      "both answers",
      () => received.split("HTTP/1.1 200").length === 3 || undefined,
    );
    expect(engine.asked).toEqual([]);
    // The next one has no answer before it.
    socket.write(upgradeOf("/three"));
    await eventually("the upgrade", () => received.includes("HTTP/1.1 101") || undefined);
    expect(engine.asked).toEqual(["/three"]);
  });
});

describe("the model of an upgrade", () => {
  it("chooses among the endpoints that serve it", async () => {
    const one = await anEngine(ends, ["m"]);
    const other = await anEngine(ends, ["n", "org/n"]);
    const { port } = await aGateway({ engines: [one.port, other.port] });
    for (const model of ["m", "n", "org%2Fn", "m", "n"]) {
      const answer = await exchanged(port, upgradeOf(`/v1/realtime?model=${model}`));
      expect(answer).toMatch(/^HTTP\/1\.1 101 /u);
    }
    expect(one.asked).toEqual(["/v1/realtime?model=m", "/v1/realtime?model=m"]);
    expect(other.asked).toHaveLength(3);
  });

  it("is 404 in the shape of the API before the upgrade if no endpoint serves it", async () => {
    const engine = await anEngine(ends);
    const { port } = await aGateway({ engines: [engine.port] });
    const answer = await exchanged(port, upgradeOf("/v1/realtime?model=unknown"));
    expect(answer).toMatch(/^HTTP\/1\.1 404 [^]*\r\n\r\n\{"error":[^]*"code":"model_not_found"/u);
    expect(engine.asked).toEqual([]);
  });

  it("may be left out", async () => {
    const engine = await anEngine(ends);
    const { port } = await aGateway({ engines: [engine.port] });
    expect(await exchanged(port, upgradeOf("/v1/other"))).toMatch(/^HTTP\/1\.1 101 /u);
  });

  it("has to be one of those of the API key", async () => {
    const engine = await anEngine(ends, ["m", "n"]);
    const folder = await mkdtemp(path.join(tmpdir(), "pointsman-"));
    opened.push(() => rm(folder, { recursive: true }));
    const file = path.join(folder, "keys.yaml");
    const text = "keys:\n- { name: bob, key: sk-bob-0123456789abcdef, models: [m] }\n";
    await writeFile(file, text);
    const keys = parseApiKeys(text);
    if (keys.kind === "invalid") throw new Error("invalid");
    const apiKeys = { file, first: keys.keys };
    const { port } = await aGateway({
      engines: [engine.port],
      http: { gate: { ...openGate, apiKeys } },
    });
    const ask = async (target: string) => {
      const key = "Authorization: Bearer sk-bob-0123456789abcdef\r\n";
      const answer = await exchanged(port, upgradeOf(target, key));
      return Number(/^HTTP\/1\.1 (\d+)/u.exec(answer)?.[1]);
    };
    expect(await ask("/v1/realtime?model=m")).toBe(101);
    expect(await ask("/v1/realtime?model=n")).toBe(403);
    expect(await ask("/v1/realtime")).toBe(403);
    expect(await ask("/v1/other?model=m")).toBe(403);
    expect(engine.asked).toEqual(["/v1/realtime?model=m"]);
  });
});

describe("a refused upgrade", () => {
  it.each([
    ["says nothing more", ""],
    ["goes on to send", "x".repeat(100_000)],
  ])("closes the connection of a client that %s and does not close it", async (_, more) => {
    const engine = await anEngine(ends);
    const { port, page } = await aGateway({ engines: [engine.port] });
    const { socket, ended } = await aClient(port, "/v1/realtime?model=unknown");
    expect(await ended()).toContain("model_not_found");
    socket.write(more);
    await eventually("no connection", async () =>
      (await page("/metrics")).includes("pointsman_gateway_client_connections 0")
        ? true
        : undefined,
    );
  });
});

describe("a tunnel", () => {
  it("goes on one way after the client has ended its half", async () => {
    const engine = await anEngine((socket) => {
      socket.on("data", () => undefined);
      socket.on("end", () => socket.end("all of it"));
    });
    const { port, requests } = await aGateway({ engines: [engine.port] });
    const client = await aClient(port);
    client.socket.end("question");
    expect(await client.ended()).toBe("all of it");
    const [line] = await eventually("the log", () =>
      requests().length > 0 ? requests() : undefined,
    );
    expect(line).toMatchObject({ status: 101, end: "complete" });
  });

  it("goes on one way after the engine has ended its half", async () => {
    let heard = "";
    const engine = await anEngine((socket) => {
      socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
      socket.end("hello");
    });
    const { port, requests } = await aGateway({ engines: [engine.port] });
    const client = await aClient(port);
    expect(await client.ended()).toBe("hello");
    client.socket.write("one");
    await eventually("the first words", () => (heard === "one" ? true : undefined));
    client.socket.end("two");
    await eventually("the rest", () => (heard === "onetwo" ? true : undefined));
    await eventually("the log", () => (requests().length > 0 ? true : undefined));
  });

  it("passes all that was sent before a side closes", async () => {
    const piece = "x".repeat(4 * 2 ** 20);
    const engine = await anEngine((socket) => {
      socket.end(piece, () => void socket.destroy());
    });
    const { port } = await aGateway({ engines: [engine.port] });
    const client = await aClient(port);
    client.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.socket.resume();
    expect((await client.ended()).length).toBe(piece.length);
  });

  it("breaks on both sides if one breaks", async () => {
    const sockets: Duplex[] = [];
    const engine = await anEngine((socket) => void sockets.push(socket.resume()));
    const { port } = await aGateway({ engines: [engine.port] });
    const client = await aClient(port);
    const closed = sockets.map((socket) => once(socket, "end"));
    client.socket.resetAndDestroy();
    await Promise.all(closed);
    const second = await aClient(port);
    for (const socket of sockets) socket.destroy();
    expect(await second.ended()).toBe("");
  });

  it("ends after the idle time, also half open", async () => {
    const engine = await anEngine(() => undefined);
    const connections = { connectTimeoutMs: 10_000, headTimeoutMs: 10_000, idleTimeoutMs: 300 };
    const { port, requests } = await aGateway({ engines: [engine.port], http: { connections } });
    const client = await aClient(port);
    const half = await aClient(port);
    half.socket.end();
    expect(await Promise.all([client.ended(), half.ended()])).toEqual(["", ""]);
    await eventually("the log", () => (requests().length === 2 ? true : undefined));
  });
});
