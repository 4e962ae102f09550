import { type IncomingMessage, request as httpRequest } from "node:http";
import http2 from "node:http2";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  type HttpGatewayOptions,
  startHttpGateway,
  startScriptedEngine,
} from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function aGateway(options: HttpGatewayOptions) {
  const gateway = await startHttpGateway(options);
  opened.push(gateway.close);
  return gateway;
}

async function simulated(options: Parameters<typeof startEngines>[0]) {
  const simulator = await startEngines({
    ...options,
    settings: { ...fastEngine, ...options.settings },
  });
  opened.push(() => simulator.close());
  return simulator.engines.map(({ port }) => port);
}

async function scripted(...parts: Parameters<typeof startScriptedEngine>) {
  const engine = await startScriptedEngine(...parts);
  opened.push(engine.close);
  return engine;
}

const chat = { model: "sim-model", messages: [{ role: "user", content: "hi" }], max_tokens: 5 };
const ofM = { ...chat, model: "m" };
const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const message = { model: "m", max_tokens: 5, messages: [{ role: "user", content: "hi" }] };

describe("answers", () => {
  it("stream from an engine to their completion marker", async () => {
    const { ask, requests } = await aGateway({ engines: await simulated({ engines: 2 }) });
    const response = await ask({ ...chat, stream: true });
    const stream = await response.text();
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(requests()).toMatchObject([
      { api: "chat", status: 200, end: "complete", candidates: 2 },
    ]);
  });

  it("pass over HTTP/2 on the same port, with many streams on one connection", async () => {
    const { origin, requests } = await aGateway({ engines: await simulated({ engines: 1 }) });
    const session = http2.connect(origin);
    const answers = Array.from({ length: 20 }, async () => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/v1/chat/completions",
        "content-type": "application/json",
      });
      stream.end(JSON.stringify({ ...chat, stream: true }));
      return text(stream);
    });
    const texts = await Promise.all(answers);
    session.close();
    expect(texts.every((each) => each.endsWith("data: [DONE]\n\n"))).toBe(true);
    expect(requests()).toHaveLength(20);
  });

  it("begin as soon as the engine has sent its head, and streams with their first bytes", async () => {
    let begin: (() => void) | undefined;
    const engine = await scripted((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      begin = () => void response.write(": hello\n\n");
    });
    const { ask } = await aGateway({ engines: [engine.port] });
    const leave = new AbortController();
    const asked = ask({ ...ofM, stream: true }, { signal: leave.signal });
    const early = await Promise.race([
      asked,
      new Promise((resolve) => void setTimeout(() => resolve("waits"), 300)),
    ]);
    expect(early).toBe("waits");
    begin?.();
    expect((await asked).status).toBe(200);
    leave.abort();
    const whole = await scripted((_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    });
    const other = await aGateway({ engines: [whole.port] });
    const leaveWhole = new AbortController();
    expect((await other.ask(ofM, { signal: leaveWhole.signal })).status).toBe(200);
    leaveWhole.abort();
  });

  it("stop the engine while the client does not read", async () => {
    const piece = Buffer.alloc(64 * 1_024, "x");
    let sent = 0;
    const engine = await scripted((_, response) => {
      const more = () => {
        while (sent < 4_000 && !response.destroyed) {
          sent += 1;
          if (!response.write(piece)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    const { port } = await aGateway({ engines: [engine.port] });
    const outgoing = httpRequest({ port, path: "/big" }).end();
    const response = await new Promise<IncomingMessage>((resolve) => {
      outgoing.once("response", resolve);
    });
    response.pause();
    let before = -1;
    // The engine's counter comes to rest long before the 250 MiB of the whole answer.
    await eventually("the engine to stop", () => {
      const isStill = sent === before && sent > 0;
      before = sent;
      return isStill ? true : undefined;
    });
    expect(sent).toBeLessThan(1_000);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    // The pieces are counted over all requests that the engine gets.
    expect(engine.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /big"]);
    expect(bytes).toBe(4_000 * piece.length);
  });
});

describe("the models of the pool", () => {
  it("are listed once each, adapters with their base", async () => {
    const engines = [
      ...(await simulated({ engines: 1, model: "base", adapters: ["sql"] })),
      ...(await simulated({ engines: 1, model: "base", adapters: ["fr"] })),
    ];
    const { origin } = await aGateway({ engines });
    const list = (await (await fetch(`${origin}/v1/models`)).json()) as {
      data: { id: string; parent: string | null }[];
    };
    expect(list.data.map(({ id, parent }) => [id, parent])).toEqual([
      ["base", null],
      ["sql", "base"],
      ["fr", "base"],
    ]);
    const one = await fetch(`${origin}/v1/models/fr`);
    expect(await one.json()).toMatchObject({ id: "fr", parent: "base" });
    const none = await fetch(`${origin}/v1/models/de`);
    expect([none.status, await none.json()]).toMatchObject([
      404,
      { error: { code: "model_not_found" } },
    ]);
  });

  it("decide where a request may go, and an unknown one is a 404 of its API", async () => {
    const first = await scripted((_, response) => response.end('{"at":"first"}'), ["a"]);
    const second = await scripted((_, response) => response.end('{"at":"second"}'), ["b"]);
    const { ask } = await aGateway({ engines: [first.port, second.port] });
    for (const [model, at] of [
      ["a", "first"],
      ["b", "second"],
      ["a", "first"],
    ]) {
      const response = await ask({ ...chat, model });
      expect(await response.json()).toEqual({ at });
    }
    const openai = await ask({ ...chat, model: "c" });
    expect([openai.status, await openai.json()]).toMatchObject([
      404,
      { error: { type: "invalid_request_error", code: "model_not_found" } },
    ]);
    const anthropic = await ask({ ...message, model: "c" }, {}, "/v1/messages");
    expect([anthropic.status, await anthropic.json()]).toMatchObject([
      404,
      { type: "error", error: { type: "not_found_error" } },
    ]);
  });
});

describe("retries", () => {
  it.each(["refused", "reset", 502, 503, 429])(
    "send a request that is answered with %s to the next endpoint",
    async (how) => {
      const bad = await scripted((request, response) => {
        if (typeof how === "number") response.writeHead(how, { "retry-after": "7" }).end("no");
        else request.socket.resetAndDestroy();
      });
      const good = await scripted((_, response) => response.end('{"ok":true}'));
      const { ask, requests, page } = await aGateway({ engines: [bad.port, good.port] });
      if (how === "refused") await bad.close();
      for (let sent = 0; sent < 6; sent += 1) {
        const response = await ask({ ...ofM, messages: [{ role: "user", content: `${sent}` }] });
        expect([response.status, await response.text()]).toEqual([200, '{"ok":true}']);
      }
      const retried = await eventually("a retried request", () =>
        requests().find(({ failedBefore }) => failedBefore !== undefined),
      );
      expect(retried).toMatchObject({
        endpoint: `127.0.0.1:${good.port}`,
        servedBy: `127.0.0.1:${good.port}`,
        failedBefore: `127.0.0.1:${bad.port}`,
        status: 200,
      });
      const { requestId } = retried;
      const shown: unknown = JSON.parse(
        await page(`/debug/decisions?request=${String(requestId)}`),
      );
      const failedStatus = typeof how === "number" ? how : 502;
      expect(shown).toMatchObject({
        decisions: [
          {
            picked: [`default/127.0.0.1:${good.port}`],
            actual: { end: "complete" },
          },
          {
            picked: [`default/127.0.0.1:${bad.port}`],
            actual: { attempt: "failed", httpStatus: failedStatus },
          },
        ],
      });
    },
  );

  it.each(["breaks", "ends", "hangs"] as const)(
    "send a stream to the next endpoint if its own %s after the head, before any byte",
    async (how) => {
      const bad = await scripted((request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        if (how === "ends") response.end();
        if (how === "breaks") setTimeout(() => request.socket.resetAndDestroy(), 50);
      });
      const events = `${event({ choices: [{ delta: { content: "a" } }] })}data: [DONE]\n\n`;
      const good = await scripted((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).end(events);
      });
      const { ask, requests } = await aGateway({
        engines: [bad.port, good.port],
        http: { connections: { connectTimeoutMs: 1_000, headTimeoutMs: 300, idleTimeoutMs: 0 } },
      });
      for (let sent = 0; sent < 6; sent += 1) {
        const messages = [{ role: "user", content: `${sent}` }];
        const response = await ask({ ...ofM, messages, stream: true });
        expect([response.status, await response.text()]).toEqual([200, events]);
      }
      expect(requests().some(({ failedBefore }) => failedBefore !== undefined)).toBe(true);
    },
  );

  it("pass the engine's own answer on if no other endpoint is left", async () => {
    const engine = await scripted((_, response) => {
      response.writeHead(429, { "retry-after": "7", "content-type": "text/plain" }).end("busy");
    });
    const { ask } = await aGateway({ engines: [engine.port] });
    const response = await ask(ofM);
    expect([response.status, response.headers.get("retry-after"), await response.text()]).toEqual([
      429,
      "7",
      "busy",
    ]);
    expect(engine.seen).toHaveLength(1);
  });

  it("stop at their budget", async () => {
    const engines = await Promise.all(
      [0, 1, 2].map(() => scripted((_, response) => response.writeHead(503).end())),
    );
    const { ask, page } = await aGateway({
      engines: engines.map(({ port }) => port),
      http: { retries: { retriesMax: 2, budget: { ratio: 0.1, floor: 3 } } },
    });
    for (let sent = 0; sent < 10; sent += 1) expect((await ask(ofM)).status).toBe(503);
    // Three retries of the floor; a tenth of ten requests is less.
    expect(engines.flatMap(({ seen }) => seen)).toHaveLength(13);
    // The first request has two retries and the second one has one: it and the eight after it would have one more.
    expect(await page("/metrics")).toContain("pointsman_retries_denied_total 9");
  });

  it("answer 502 in the shape of the API if no endpoint can be reached", async () => {
    const gone = await scripted(() => undefined);
    const { ask, requests } = await aGateway({ engines: [gone.port] });
    await gone.close();
    const openai = await ask(ofM);
    expect([openai.status, await openai.json()]).toMatchObject([
      502,
      { error: { code: "upstream_unreachable", type: "server_error" } },
    ]);
    const anthropic = await ask(message, {}, "/v1/messages");
    expect([anthropic.status, await anthropic.json()]).toMatchObject([
      502,
      { type: "error", error: { type: "api_error" } },
    ]);
    expect(requests()).toMatchObject([{ error: "upstream_502" }, { error: "upstream_502" }]);
  });

  it("do not repeat what an engine may have done already", async () => {
    const engines = await Promise.all(
      [0, 1].map(() => scripted((request) => void request.socket.destroy())),
    );
    const { ask } = await aGateway({ engines: engines.map(({ port }) => port) });
    expect((await ask({ lora_name: "a" }, {}, "/v1/load_lora_adapter")).status).toBe(502);
    expect(engines.flatMap(({ seen }) => seen)).toHaveLength(1);
    expect((await ask({ ...ofM }, {}, "/v1/completions")).status).toBe(502);
    expect(engines.flatMap(({ seen }) => seen)).toHaveLength(3);
  });

  it("give up an engine that does not answer in time", async () => {
    const slow = await scripted(() => undefined);
    const { ask } = await aGateway({
      engines: [slow.port],
      http: { connections: { connectTimeoutMs: 1_000, headTimeoutMs: 500, idleTimeoutMs: 500 } },
    });
    const response = await ask(ofM);
    expect([response.status, await response.json()]).toMatchObject([
      504,
      {
        error: {
          code: "upstream_timeout",
          message: expect.stringMatching(/ 500 ms \(--try-timeout\)$/u),
        },
      },
    ]);
  });

  it("end with the total time of a request", async () => {
    const slow = await scripted(() => undefined);
    const { ask } = await aGateway({ engines: [slow.port], http: { totalTimeoutMs: 200 } });
    const response = await ask(ofM);
    expect(response.status).toBe(504);
    expect(await response.text()).toContain("longer than 200 ms (--total-timeout)");
  });

  it("break off at the total time of a request, which is not the engine's fault", async () => {
    const slow = await scripted((_, response) => void response.write("so far"));
    const { ask, requests } = await aGateway({
      engines: [slow.port],
      http: { totalTimeoutMs: 300 },
    });
    const response = await ask(ofM);
    await expect(response.text()).rejects.toThrow("terminated");
    expect(requests()).toMatchObject([{ status: 200, end: "aborted", endedBy: "limit" }]);
  });
});

describe("an engine that dies within its answer", () => {
  it.each([
    {
      path: "/v1/chat/completions",
      body: ofM,
      end: /\n\ndata: \{"error":\{"message":"the model server broke off its answer","type":"server_error","code":"upstream_broken"\}\}\n\n$/u,
    },
    {
      path: "/v1/messages",
      body: message,
      end: /event: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"[^"]+"\},"request_id":"[^"]+"\}\n\n$/u,
    },
    {
      path: "/v1/responses",
      body: { model: "m", input: "hi" },
      end: /event: error\ndata: \{"type":"error","code":"upstream_broken","message":"[^"]+","param":null\}\n\n$/u,
    },
  ])(
    "ends an event stream of $path with an error, and without its end",
    async ({ path, body, end }) => {
      const engine = await scripted((request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(event({ choices: [{ delta: { content: "a" } }] }), () => {
          request.socket.destroy();
        });
      });
      const { port, requests } = await aGateway({ engines: [engine.port] });
      const outgoing = httpRequest({
        port,
        path,
        method: "POST",
        headers: { "content-type": "application/json" },
      }).end(JSON.stringify({ ...body, stream: true }));
      const response = await new Promise<IncomingMessage>((resolve) => {
        outgoing.once("response", resolve);
      });
      let received = "";
      const broken = (async () => {
        for await (const chunk of response) received += String(chunk);
      })();
      await expect(broken).rejects.toThrow("aborted");
      expect(received.startsWith(event({ choices: [{ delta: { content: "a" } }] }))).toBe(true);
      expect(received).toMatch(end);
      const [line] = await eventually("the log", () =>
        requests().length > 0 ? requests() : undefined,
      );
      expect(line).toMatchObject({ end: "aborted", endedBy: "engine" });
    },
  );

  it("resets an answer that is not a stream", async () => {
    const engine = await scripted((_, response) => {
      response.writeHead(200, { "content-length": 100 }).write("{", () => void response.destroy());
    });
    const { ask } = await aGateway({ engines: [engine.port] });
    const response = await ask(ofM);
    await expect(response.text()).rejects.toThrow("terminated");
  });

  it("shows a cut stream as broken even if only the connection ends it", async () => {
    const engine = await scripted((request) => {
      request.socket.end(
        `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n${event({ choices: [{ delta: { content: "a" } }] })}`,
      );
    });
    const { ask } = await aGateway({ engines: [engine.port] });
    const response = await ask({ ...ofM, stream: true });
    await expect(response.text()).rejects.toThrow("terminated");
  });

  it("has told all once the completion marker is there", async () => {
    const engine = await scripted((request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: [DONE]\n\n", () => void request.socket.destroy());
    });
    const { ask, requests } = await aGateway({ engines: [engine.port] });
    const response = await ask({ ...ofM, stream: true });
    expect(await response.text()).toBe("data: [DONE]\n\n");
    expect(requests()).toMatchObject([{ end: "complete" }]);
  });
});

describe("a client that leaves", () => {
  it("ends the engine's work at once, before and within the answer", async () => {
    let closed = 0;
    let arrived = 0;
    const engine = await scripted((_, response, body) => {
      arrived += 1;
      response.on("close", () => (closed += 1));
      if (body.includes("stream")) {
        response.writeHead(200, { "content-type": "text/event-stream" }).write("data: {}\n\n");
      }
    });
    const { ask, requests } = await aGateway({ engines: [engine.port] });
    for (const body of [ofM, { ...ofM, stream: true }]) {
      const leave = new AbortController();
      const before = arrived;
      const asked = ask(body, { signal: leave.signal }).catch(() => undefined);
      await eventually("the request", () => (arrived > before ? true : undefined));
      if ("stream" in body) await (await asked)?.body?.getReader().read();
      leave.abort();
      await asked;
      await eventually("the close", () => (closed === arrived ? true : undefined));
    }
    const lines = await eventually("the log", () =>
      requests().length === 2 ? requests() : undefined,
    );
    expect(lines).toMatchObject([
      { end: "aborted", endedBy: "client" },
      { end: "aborted", endedBy: "client" },
    ]);
  });
});

describe("a model that an engine has just loaded", () => {
  it("is found by asking the engines again, at most once a second", async () => {
    const models = ["m"];
    let asked = 0;
    const engine = await scripted((_, response) => response.end('{"ok":true}'), models);
    engine.server.prependListener("request", ({ url }: IncomingMessage) => {
      if (url === "/v1/models") asked += 1;
    });
    const { ask } = await aGateway({ engines: [engine.port] });
    const adapter = { ...chat, model: "adapter" };
    // The lists of the start count for a second.
    await sleep(1_100);
    expect((await ask(adapter)).status).toBe(404);
    models.push("adapter");
    await sleep(1_100);
    const before = asked;
    const statuses = await Promise.all([1, 2, 3].map(async () => (await ask(adapter)).status));
    expect(statuses).toEqual([200, 200, 200]);
    const unknown = Array.from({ length: 20 }, async (_, index) => {
      return (await ask({ ...chat, model: `unknown-${index}` })).status;
    });
    expect(new Set(await Promise.all(unknown))).toEqual(new Set([404]));
    // One for all 23 requests within a second, and those of the regular reading; a busy machine takes longer.
    expect(asked - before).toBeLessThan(10);
  });
});

describe("draining", () => {
  it("finishes open requests, takes more until clients know, and fails none", async () => {
    const engines = await simulated({ engines: 2, settings: { stepBaseMs: 5 } });
    const gateway = await aGateway({ engines });
    const results: unknown[] = [];
    const over = new AbortController();
    const clients = Array.from({ length: 8 }, async () => {
      while (!over.signal.aborted) {
        const response = await gateway.ask({ ...chat, stream: true, max_tokens: 20 }).catch(String);
        if (typeof response === "string") return; // The port is closed: a later client would go elsewhere.
        const stream = await response.text().catch(String);
        results.push(response.status === 200 && stream.endsWith("data: [DONE]\n\n"));
      }
    });
    await eventually("some requests", () => (results.length > 20 ? true : undefined));
    gateway.drain();
    await gateway.stopped;
    over.abort();
    await Promise.all(clients);
    expect(results.filter((isWell) => isWell !== true)).toEqual([]);
    expect(gateway.requests().filter(({ end }) => end !== "complete")).toEqual([]);
  });
});
