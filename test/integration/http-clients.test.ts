import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, describe, expect, it } from "vitest";
import type { SimulatorOptions } from "../../src/simulator/simulator.ts";
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

/** Simulated engines behind a gateway, and the clients of both vendors, unmodified. */
async function clientsOf(options: SimulatorOptions = {}) {
  const { settings, ...rest } = options;
  const simulator = await startEngines({
    engines: 2,
    adapters: ["sql"],
    settings: { ...fastEngine, ...settings },
    ...rest,
  });
  opened.push(() => simulator.close());
  const gateway = await aGateway(simulator.engines.map(({ port }) => port));
  const { origin } = gateway;
  const openai = new OpenAI({ baseURL: `${origin}/v1`, apiKey: "none", maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: origin, apiKey: "none", maxRetries: 0 });
  return { openai, anthropic, gateway };
}

async function scripted(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const engine = await startScriptedEngine(answer);
  opened.push(engine.close);
  return engine;
}

const model = "sim-model";
const messages = [{ role: "user" as const, content: "Hello" }];
const schema = {
  type: "object" as const,
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const theSignal = { city: "signal" };

async function itemsOf<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe("the client of OpenAI", () => {
  it("completes, streams, embeds and lists models", async () => {
    const { openai: client } = await clientsOf();
    const whole = await client.chat.completions.create({ model, messages, max_tokens: 5 });
    expect(whole.usage?.completion_tokens).toBe(5);

    const stream = await client.chat.completions.create({
      model: "sql",
      messages,
      max_tokens: 5,
      stream: true,
    });
    const chunks = await itemsOf(stream);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("length");

    const completion = await client.completions.create({ model, prompt: "a", max_tokens: 2 });
    expect(completion.choices).toHaveLength(1);
    const embedding = await client.embeddings.create({ model, input: ["a", "b"] });
    expect(embedding.data).toHaveLength(2);

    const ids = (await itemsOf(client.models.list())).map(({ id }) => id);
    expect(ids).toEqual([model, "sql"]);
    expect(await client.models.retrieve("sql")).toMatchObject({ id: "sql" });
  });

  it("calls tools, whole, streamed and in a loop of its own", async () => {
    const { openai: client } = await clientsOf();
    const weather = { name: "weather", parameters: schema };
    const tools = [{ type: "function" as const, function: weather }];
    const whole = await client.chat.completions.create({ model, messages, tools });
    expect(whole.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { tool_calls: [{ function: { name: "weather", arguments: '{"city":"signal"}' } }] },
    });
    const streamed = client.chat.completions.stream({ model, messages, tools });
    const [call] = (await streamed.finalMessage()).tool_calls ?? [];
    expect(call).toMatchObject({ function: { name: "weather", arguments: '{"city":"signal"}' } });

    const asked: unknown[] = [];
    const runner = client.chat.completions.runTools({
      model,
      messages,
      tools: [
        {
          type: "function",
          function: {
            ...weather,
            description: "The weather of a city",
            parse: JSON.parse,
            function: (given: unknown) => {
              asked.push(given);
              return "sunny";
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toMatch(/^the signal/u);
    expect(asked).toEqual([theSignal]);
  });

  it("uses the Responses API: whole, streamed, with functions, and continued", async () => {
    // Each engine stores its own responses, so the second turn must find the first one's engine.
    const { openai: client, gateway } = await clientsOf({ engines: 4 });
    const first = await client.responses.create({ model, input: "Hello", max_output_tokens: 4 });
    expect(first).toMatchObject({ output_text: "the signal turns green", status: "incomplete" });
    const stream = client.responses.stream({
      model,
      input: "Hello",
      tools: [{ type: "function", name: "weather", parameters: schema, strict: true }],
    });
    const [call] = (await stream.finalResponse()).output;
    expect(call).toMatchObject({ type: "function_call", arguments: '{"city":"signal"}' });

    for (let turn = 0, id = first.id; turn < 6; turn += 1) {
      const previous_response_id = id;
      const next = await client.responses.create({ model, input: "?", previous_response_id });
      expect(next.previous_response_id).toBe(id);
      expect(await client.responses.retrieve(next.id)).toMatchObject({ id: next.id });
      id = next.id;
    }
    const statuses = gateway.requests().map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it("throws its own errors for refusals of the gateway", async () => {
    const { openai: client } = await clientsOf();
    const asked = client.chat.completions.create({ model: "unknown", messages });
    await expect(asked).rejects.toThrow(OpenAI.NotFoundError);
    await expect(asked).rejects.toMatchObject({
      code: "model_not_found",
      type: "invalid_request_error",
    });
    await expect(asked).rejects.toMatchObject({ requestID: expect.stringMatching(/./) as string });
  });

  it.each(["chat", "responses"])("throws if the engine dies within a stream of %s", async (api) => {
    const { openai: client } = await clientsOf({ settings: { dieAfterTokens: 2 } });
    const read = async () => {
      const stream =
        api === "chat"
          ? await client.chat.completions.create({ model, messages, stream: true })
          : await client.responses.create({ model, input: "a", stream: true });
      return itemsOf<unknown>(stream);
    };
    await expect(read()).rejects.toThrow("the model server broke off its answer");
  });
});

describe("the client of Anthropic", () => {
  const params = { model, max_tokens: 5, messages };

  it("creates messages, streams them and counts their tokens", async () => {
    const { anthropic: client } = await clientsOf();
    expect(await client.messages.create(params)).toMatchObject({
      content: [{ type: "text", text: "the signal turns green and" }],
      stop_reason: "max_tokens",
    });
    const final = await client.messages.stream(params).finalMessage();
    expect(final).toMatchObject({
      content: [{ type: "text", text: "the signal turns green and" }],
      usage: { output_tokens: 5 },
    });
    const counted = await client.messages.countTokens({ model, messages });
    // "<user>Hello", a newline and "<assistant>": 23 bytes.
    expect(counted.input_tokens).toBe(6);
  });

  it("calls tools, and goes on with their results", async () => {
    const { anthropic: client } = await clientsOf();
    const tools = [{ name: "weather", input_schema: schema }];
    const asked = { ...params, max_tokens: 50, tools };
    const streamed = await client.messages.stream(asked).finalMessage();
    const [use] = streamed.content;
    expect(use).toMatchObject({ type: "tool_use", name: "weather", input: theSignal });
    const toolUseId = use?.type === "tool_use" ? use.id : "";
    const result = { type: "tool_result" as const, tool_use_id: toolUseId, content: "sunny" };
    const next = await client.messages.create({
      ...asked,
      messages: [
        ...messages,
        { role: "assistant", content: streamed.content },
        { role: "user", content: [result] },
      ],
    });
    expect(next.content).toMatchObject([{ type: "text" }]);
  });

  it("throws its own errors for refusals and broken streams", async () => {
    const { anthropic: client } = await clientsOf({ settings: { dieAfterTokens: 2 } });
    const unknown = client.messages.create({ ...params, model: "unknown" });
    await expect(unknown).rejects.toThrow(Anthropic.NotFoundError);
    const broken = client.messages.stream(params).finalMessage();
    await expect(broken).rejects.toThrow("the model server broke off its answer");
  });
});

/** About 5,000 tokens, so that a cached prefix saves 100 ms. */
function textOf(name: string): string {
  return `${name} asks: `.repeat(20_000 / (name.length + 7));
}

describe("conversations of both clients", () => {
  const question = { role: "user" as const, content: "And then?" };

  type Clients = Awaited<ReturnType<typeof clientsOf>>;
  /** Runs the first turn, and returns the second one. */
  type Turns = (clients: Clients, name: string) => Promise<() => Promise<unknown>>;

  const dialects: readonly (readonly [dialect: string, turns: Turns])[] = [
    [
      "chat",
      async ({ openai }, name) => {
        const opening = [{ role: "user" as const, content: textOf(name) }];
        const body = { model, max_tokens: 20 };
        const first = await openai.chat.completions.create({ ...body, messages: opening });
        const content = first.choices[0]?.message.content ?? "";
        const later = [...opening, { role: "assistant" as const, content }, question];
        return () => openai.chat.completions.create({ ...body, messages: later });
      },
    ],
    [
      "completions",
      async ({ openai }, name) => {
        const body = { model, max_tokens: 20 };
        const first = await openai.completions.create({ ...body, prompt: textOf(name) });
        const prompt = `${textOf(name)}${first.choices[0]?.text} And then?`;
        return () => openai.completions.create({ ...body, prompt });
      },
    ],
    [
      "responses with their context",
      async ({ openai }, name) => {
        const body = { model, max_output_tokens: 20, store: false };
        const opening = { role: "user" as const, content: textOf(name) };
        const first = await openai.responses.create({ ...body, input: [opening] });
        const answer = { role: "assistant" as const, content: first.output_text };
        return () => openai.responses.create({ ...body, input: [opening, answer, question] });
      },
    ],
    [
      "responses that continue stored ones",
      async ({ openai }, name) => {
        const body = { model, max_output_tokens: 20 };
        const first = await openai.responses.create({ ...body, input: textOf(name) });
        const previous_response_id = first.id;
        const next = { ...body, input: "And then?", previous_response_id };
        return () => openai.responses.create(next);
      },
    ],
    [
      "messages",
      async ({ anthropic }, name) => {
        const opening = { role: "user" as const, content: textOf(name) };
        const body = { model, max_tokens: 20 };
        const first = await anthropic.messages.create({ ...body, messages: [opening] });
        const answer = { role: "assistant" as const, content: first.content };
        const later = { ...body, messages: [opening, answer, question] };
        return () => anthropic.messages.stream(later).done();
      },
    ],
  ];

  it.each(dialects)(
    "go to the engine that has their prefix, and the cached tokens are learned: %s",
    async (_, turns) => {
      const clients = await clientsOf({
        engines: 4,
        settings: { prefillTokensPerSecond: 50_000 },
      });
      const names = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Finn"];
      const later = await Promise.all(names.map((name) => turns(clients, name)));
      for (const second of later) await second();
      const lines = await eventually("all requests", () => {
        const found = clients.gateway.requests();
        return found.length === 2 * names.length ? found : undefined;
      });
      const cold = lines.filter(({ cachedTokens }) => cachedTokens === 0);
      const warm = lines.filter(({ cachedTokens }) => Number(cachedTokens) >= 4_992);
      expect([cold.length, warm.length]).toEqual([6, 6]);
      // Both turns of each conversation, so each engine has as many first turns as second ones.
      const endpoints = (some: typeof lines) =>
        some.map(({ endpoint }) => String(endpoint)).toSorted();
      expect(endpoints(warm)).toEqual(endpoints(cold));
      expect(new Set(endpoints(cold)).size).toBeGreaterThan(1);
    },
  );
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
    expect(answer).toMatch(/^HTTP\/1\.1 426 [^]*\r\nno(?:\r\n|$)/u);
  });
});
