import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, describe, expect, it } from "vitest";
import { exchanged, startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function aGateway(engines: readonly number[]) {
  const gateway = await startHttpGateway({ engines });
  opened.push(gateway.close);
  return gateway;
}

async function simulatedOpenAi() {
  const simulator = await startEngines({ engines: 2, adapters: ["sql"], settings: fastEngine });
  opened.push(() => simulator.close());
  const { origin } = await aGateway(simulator.engines.map(({ port }) => port));
  return new OpenAI({ baseURL: `${origin}/v1`, apiKey: "none", maxRetries: 0 });
}

async function scripted(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const engine = await startScriptedEngine(answer);
  opened.push(engine.close);
  return engine;
}

const messages = [{ role: "user" as const, content: "Hello" }];

const lineOf = (event: { type: string }) =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

describe("the client of OpenAI", () => {
  it("completes, streams, embeds and lists models", async () => {
    const client = await simulatedOpenAi();
    const whole = await client.chat.completions.create({
      model: "sim-model",
      messages,
      max_tokens: 5,
    });
    expect(whole.usage?.completion_tokens).toBe(5);

    const stream = await client.chat.completions.create({
      model: "sql",
      messages,
      max_tokens: 5,
      stream: true,
    });
    const reasons: unknown[] = [];
    for await (const chunk of stream) reasons.push(chunk.choices[0]?.finish_reason);
    expect(reasons.at(-1)).toBe("length");

    const completion = await client.completions.create({
      model: "sim-model",
      prompt: "a",
      max_tokens: 2,
    });
    expect(completion.choices).toHaveLength(1);
    const embedding = await client.embeddings.create({ model: "sim-model", input: ["a", "b"] });
    expect(embedding.data).toHaveLength(2);

    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(["sim-model", "sql"]);
    expect(await client.models.retrieve("sql")).toMatchObject({ id: "sql" });
  });

  it("reads tool calls and the Responses API as the engine sends them", async () => {
    const tool = {
      id: "call-1",
      type: "function",
      function: { name: "weather", arguments: '{"city":"Oslo"}' },
    };
    const engine = await scripted((request, response) => {
      response.setHeader("content-type", "application/json");
      const answer =
        request.url === "/v1/responses"
          ? { id: "resp-1", object: "response", status: "completed", output: [] }
          : { choices: [{ index: 0, message: { role: "assistant", tool_calls: [tool] } }] };
      response.end(JSON.stringify(answer));
    });
    const { origin } = await aGateway([engine.port]);
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: "none", maxRetries: 0 });
    const answer = await client.chat.completions.create({
      model: "m",
      messages,
      tools: [{ type: "function", function: { name: "weather", parameters: {} } }],
    });
    expect(answer.choices[0]?.message.tool_calls).toEqual([tool]);
    const response = await client.responses.create({ model: "m", input: "Hello" });
    expect(response).toMatchObject({ id: "resp-1", status: "completed" });
    const authorization = engine.seen.map(({ headers }) => headers.authorization);
    expect(authorization).toEqual(["Bearer none", "Bearer none"]);
  });

  it("throws its own errors for refusals of the gateway", async () => {
    const client = await simulatedOpenAi();
    const asked = client.chat.completions.create({ model: "unknown", messages });
    await expect(asked).rejects.toThrow(OpenAI.NotFoundError);
    await expect(asked).rejects.toMatchObject({
      code: "model_not_found",
      type: "invalid_request_error",
    });
    await expect(asked).rejects.toMatchObject({ requestID: expect.stringMatching(/./) as string });
  });

  it.each(["chat", "responses"])("throws if the engine dies within a stream of %s", async (api) => {
    const engine = await scripted((request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event =
        api === "chat"
          ? 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
          : 'event: response.created\ndata: {"type":"response.created","response":{}}\n\n';
      response.write(event, () => void request.socket.destroy());
    });
    const { origin } = await aGateway([engine.port]);
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: "none", maxRetries: 0 });
    const read = async () => {
      const stream =
        api === "chat"
          ? await client.chat.completions.create({ model: "m", messages, stream: true })
          : await client.responses.create({ model: "m", input: "a", stream: true });
      let count = 0;
      for await (const chunk of stream as AsyncIterable<unknown>) count += chunk === null ? 0 : 1;
      return count;
    };
    await expect(read()).rejects.toThrow("the model server broke off its answer");
  });
});

describe("the client of Anthropic", () => {
  const params = { model: "m", max_tokens: 5, messages };
  const events = [
    {
      type: "message_start",
      message: { id: "msg-1", type: "message", role: "assistant", content: [], usage: {} },
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } },
    { type: "message_stop" },
  ];

  it("creates messages and streams them", async () => {
    const engine = await scripted((_, response) => {
      const isStream = engine.seen.at(-1)?.body.includes('"stream":true') === true;
      if (isStream) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        for (const event of events) response.write(lineOf(event));
        response.end();
      } else {
        response.setHeader("content-type", "application/json");
        const content = [{ type: "text", text: "Hi" }];
        response.end(JSON.stringify({ id: "msg-1", type: "message", role: "assistant", content }));
      }
    });
    const { origin } = await aGateway([engine.port]);
    const client = new Anthropic({ baseURL: origin, apiKey: "none", maxRetries: 0 });
    expect(await client.messages.create(params)).toMatchObject({ content: [{ text: "Hi" }] });
    const final = await client.messages.stream(params).finalMessage();
    expect(final.content).toMatchObject([{ type: "text", text: "Hi" }]);
    const { authorization, "x-api-key": key } = engine.seen[0]?.headers ?? {};
    expect(key ?? authorization).toMatch(/none$/u);
  });

  it("throws its own errors for refusals and broken streams", async () => {
    const engine = await scripted((request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(events.slice(0, 3).map(lineOf).join(""), () => void request.socket.destroy());
    });
    const { origin } = await aGateway([engine.port]);
    const client = new Anthropic({ baseURL: origin, apiKey: "none", maxRetries: 0 });
    const unknown = client.messages.create({ ...params, model: "unknown" });
    await expect(unknown).rejects.toThrow(Anthropic.NotFoundError);
    const broken = client.messages.stream(params).finalMessage();
    await expect(broken).rejects.toThrow("the model server broke off its answer");
  });
});

describe("an upgrade", () => {
  it("is routed by its head and connected through, both ways", async () => {
    const engine = await startScriptedEngine(() => undefined);
    opened.push(engine.close);
    engine.server.on("upgrade", (request, socket) => {
      socket.on("error", () => undefined);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nsec-websocket-accept: yes\r\n\r\nhello ${String(request.url)}`,
      );
      socket.on("end", () => socket.end());
      socket.on("data", (chunk: Buffer) => socket.write(`echo ${chunk.toString()}`));
    });
    const { port, requests } = await aGateway([engine.port]);
    const socket = connect(port, "127.0.0.1");
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString();
      if (received.endsWith("/v1/realtime?model=m")) socket.write("one");
      if (received.endsWith("echo one")) socket.end();
    });
    socket.write(
      "GET /v1/realtime?model=m HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
    );
    await once(socket, "close");
    expect(received).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\n(?=[^]*sec-websocket-accept: yes\r\n)(?=[^]*upgrade: websocket\r\n)[^]*\r\n\r\nhello \/v1\/realtime\?model=mecho one$/iu,
    );
    const [line] = await eventually("the log", () =>
      requests().length > 0 ? requests() : undefined,
    );
    expect(line).toMatchObject({ status: 101, end: "complete" });
  });

  it("that the engine refuses is answered like any request", async () => {
    const engine = await scripted((_, response) => response.writeHead(426).end("no"));
    const { port } = await aGateway([engine.port]);
    const answer = await exchanged(
      port,
      "GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 426 [^]*\r\nno\r\n|no$/u);
  });
});
