import { afterEach, describe, expect, it } from "vitest";
import { SimulatorFixture } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

interface Event {
  readonly name: string | undefined;
  readonly data: unknown;
}

/** The events of a stream; the text of one that is not JSON. */
async function eventsOf(response: Response): Promise<readonly Event[]> {
  const text = await response.text();
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => {
      const [, name, data = ""] = /^(?:event: (.*)\n)?data: (.*)$/u.exec(event) ?? [];
      return { name, data: data.startsWith("{") ? JSON.parse(data) : data };
    });
}

const namesOf = (events: readonly Event[]) => events.map(({ name }) => name);

const long = "x".repeat(1_000);
const schema = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "integer" },
    unit: { enum: ["C", "F"] },
    note: { type: "string" },
  },
  required: ["city", "days", "unit"],
};
/** 37 characters: 10 pieces of 4, and 1 token for the name. */
const argumentsText = '{"city":"signal","days":1,"unit":"C"}';
const chatTools = [{ type: "function", function: { name: "weather", parameters: schema } }];
const responseTools = [{ type: "function", name: "weather", parameters: schema }];
const messageTools = [{ name: "weather", input_schema: schema }];

/**
 * Cached tokens of the turn after a call: those of "<tools>" and the tools, "<user>" and 1,000 bytes, a newline after each, and
 * "<assistant>"; then 10 of the call's 11, since the last one is not computed. Only full blocks of 16 count.
 */
function cachedAfterCall(tools: unknown): number {
  const promptBytes = 7 + JSON.stringify(tools).length + 1 + 6 + 1_000 + 1 + 11;
  return Math.floor((Math.ceil(promptBytes / 4) + 10) / 16) * 16;
}

describe("tool calls of chats", () => {
  const body = { messages: [{ role: "user", content: long }], tools: chatTools };

  it("call the first tool with arguments that fit its schema", async () => {
    await sim.start();
    const response = await sim.chat(body, { headers: { "x-request-id": "r" } });
    expect(await response.json()).toMatchObject({
      choices: [
        {
          message: {
            content: null,
            tool_calls: [
              {
                id: "chatcmpl-tool-chatcmpl-r",
                type: "function",
                function: { name: "weather", arguments: argumentsText },
              },
            ],
          },
          finish_reason: "tool_calls",
        },
      ],
      usage: { completion_tokens: 11 },
    });
    expect(await sim.state()).toMatchObject({ endedRequests: { stop: 1 } });
  });

  it("stream the name, then the arguments in pieces", async () => {
    await sim.start();
    const events = await eventsOf(await sim.chat({ ...body, stream: true }));
    const text = JSON.stringify(events);
    expect(text).toContain('"name":"weather","arguments":""');
    const pieces = [...text.matchAll(/"function":\{"arguments":"((?:\\.|[^"\\])*)"\}/gu)];
    const joined = pieces.map(([, piece]) => JSON.parse(`"${piece}"`) as string).join("");
    expect(joined).toBe(argumentsText);
    expect(pieces).toHaveLength(10);
    expect(events.at(-2)?.data).toMatchObject({ choices: [{ finish_reason: "tool_calls" }] });
  });

  it.each([
    ["no tool", { tool_choice: "none" }, "stop"],
    ["an unknown tool", { tool_choice: { type: "function", function: { name: "f" } } }, "stop"],
    ["a tool", { tool_choice: "required" }, "tool_calls"],
    [
      "its own tool",
      { tool_choice: { type: "function", function: { name: "weather" } } },
      "tool_calls",
    ],
    ["fewer tokens than a call has", { max_tokens: 10 }, "length"],
    ["no tools", { tools: [] }, "stop"],
    ["tools without names", { tools: [{ type: "function" }, 5] }, "stop"],
  ])("depend on the client, which wants %s", async (_, change, reason) => {
    await sim.start();
    expect(await (await sim.chat({ ...body, ...change })).json()).toMatchObject({
      choices: [{ finish_reason: reason }],
    });
  });

  it("end with a tool's result, whose prompt hits the blocks of the call", async () => {
    await sim.start();
    const first = (await (await sim.chat(body)).json()) as {
      choices: { message: { tool_calls: { id: string }[] } }[];
    };
    const message = first.choices[0]?.message;
    const result = { role: "tool", tool_call_id: message?.tool_calls[0]?.id, content: long };
    const messages = [...body.messages, message, result];
    const second: unknown = await (await sim.chat({ ...body, messages })).json();
    expect(second).toMatchObject({
      choices: [{ finish_reason: "stop", message: { role: "assistant" } }],
      usage: { prompt_tokens_details: { cached_tokens: cachedAfterCall(chatTools) } },
    });
  });
});

const ask = (body: object) => sim.post("/v1/responses", { input: long, ...body });

describe("responses", () => {
  it("answer whole, with usage and cached tokens", async () => {
    await sim.start();
    await (await ask({})).text();
    const response = await ask({ instructions: null, max_output_tokens: 3, metadata: { a: "b" } });
    expect(await response.json()).toMatchObject({
      id: "resp_engine-0-2",
      object: "response",
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      metadata: { a: "b" },
      output: [
        {
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: "the signal turns" }],
        },
      ],
      // As in a chat: 255 tokens, 15 full blocks of 16.
      usage: {
        input_tokens: 255,
        input_tokens_details: { cached_tokens: 240 },
        output_tokens: 3,
        total_tokens: 258,
      },
    });
  });

  it("stream the events of vLLM, the first before the prompt is computed", async () => {
    await sim.start({ settings: { slowFactor: 1 } });
    const events = await eventsOf(await ask({ stream: true, max_output_tokens: 2 }));
    expect(namesOf(events)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const numbers = events.map(({ data }) => (data as { sequence_number: number }).sequence_number);
    expect(numbers).toEqual(events.map((_, index) => index));
    expect(events.at(-1)?.data).toMatchObject({
      response: { usage: { output_tokens: 2, input_tokens_details: { cached_tokens: 0 } } },
    });
    await sim.admin("PATCH", "/engines/engine-0", { stepBaseMs: 3_600_000 });
    const controller = new AbortController();
    const early = await sim.post(
      "/v1/responses",
      { input: "a", stream: true },
      { signal: controller.signal },
    );
    const { value } = (await early.body?.getReader().read()) ?? {};
    expect(Buffer.from(value ?? []).toString()).toContain("response.created");
    controller.abort();
  });

  it("call tools, and go on with their results", async () => {
    await sim.start();
    const events = await eventsOf(await ask({ tools: responseTools, stream: true }));
    expect(new Set(namesOf(events))).toEqual(
      new Set([
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
      ]),
    );
    const last = events.at(-1)?.data as {
      response: { id: string; output: { call_id: string; arguments: string }[] };
    };
    const { response } = last;
    const [call] = response.output;
    expect(call?.arguments).toBe(argumentsText);
    const input = [{ type: "function_call_output", call_id: call?.call_id, output: "sunny" }];
    const next = await ask({ tools: responseTools, previous_response_id: response.id, input });
    expect(await next.json()).toMatchObject({
      previous_response_id: response.id,
      output: [{ type: "message" }],
    });
  });

  it("continue a stored response, with its answer in the cache", async () => {
    await sim.start();
    const first = (await (await ask({ max_output_tokens: 200 })).json()) as { id: string };
    const again = { max_output_tokens: 1, input: "And then?" };
    const next = await ask({ ...again, previous_response_id: first.id });
    // 255 tokens of prompt and 199 of answer: 28 full blocks.
    expect(await next.json()).toMatchObject({
      usage: { input_tokens_details: { cached_tokens: 28 * 16 } },
    });
    expect(await (await sim.get(`/v1/responses/${first.id}`)).json()).toMatchObject(first);
    const cancelled = await sim.get(`/v1/responses/${first.id}/cancel`, { method: "POST" });
    expect(cancelled.status).toBe(400);
  });

  it("are not stored if the client says so, nor beyond a restart", async () => {
    await sim.start();
    const unstored = (await (await ask({ store: false })).json()) as { id: string };
    const stored = (await (await ask({})).json()) as { id: string };
    expect((await ask({ previous_response_id: unstored.id })).status).toBe(404);
    expect((await ask({ previous_response_id: stored.id })).status).toBe(200);
    await sim.admin("POST", "/engines/engine-0/restart");
    const gone = await ask({ previous_response_id: stored.id });
    expect([gone.status, await gone.json()]).toMatchObject([
      404,
      { error: { message: `Response with id '${stored.id}' not found.`, param: "response_id" } },
    ]);
    expect((await sim.get(`/v1/responses/${stored.id}`)).status).toBe(404);
  });

  it.each([
    [{ input: 5 }, 400, "input"],
    [{ input: [] }, 400, "input"],
    [{ input: ["a"] }, 400, "input"],
    [{ background: true }, 400, "background"],
    [{ previous_response_id: 5 }, 400, "previous_response_id"],
    [{ max_output_tokens: 0 }, 400, "max_output_tokens"],
    [{ model: "other" }, 404, "does not exist"],
  ])("refuse %j with status %i", async (body, status, message) => {
    await sim.start();
    const response = await ask(body);
    expect([response.status, await response.json()]).toMatchObject([
      status,
      { error: { code: status, message: expect.stringContaining(message) } },
    ]);
  });
});

describe("messages", () => {
  const messages = [{ role: "user", content: long }];
  const send = (body: object) => sim.post("/v1/messages", { messages, max_tokens: 3, ...body });

  it("answer whole, with cached tokens beside the input", async () => {
    await sim.start();
    await (await send({})).text();
    expect(await (await send({})).json()).toMatchObject({
      type: "message",
      role: "assistant",
      content: [{ type: "text", text: "the signal turns" }],
      stop_reason: "max_tokens",
      // 255 tokens, 240 of them in the cache.
      usage: { input_tokens: 15, cache_read_input_tokens: 240, output_tokens: 3 },
    });
  });

  it("stream the events of the API", async () => {
    await sim.start();
    const events = await eventsOf(await send({ stream: true, max_tokens: 2 }));
    expect(namesOf(events)).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(events[0]?.data).toMatchObject({
      message: { usage: { input_tokens: 255, cache_read_input_tokens: 0, output_tokens: 0 } },
    });
    expect(events.at(-2)?.data).toMatchObject({
      delta: { stop_reason: "max_tokens" },
      usage: { input_tokens: 255, output_tokens: 2 },
    });
  });

  it("call tools, and go on with their results from the cache", async () => {
    await sim.start();
    const tools = messageTools;
    const events = await eventsOf(await send({ tools, stream: true, max_tokens: 50 }));
    const pieces = events.map(({ data }) => (data as { delta?: { partial_json?: string } }).delta);
    expect(pieces.map((delta) => delta?.partial_json ?? "").join("")).toBe(argumentsText);
    expect(events.at(-2)?.data).toMatchObject({ delta: { stop_reason: "tool_use" } });
    const whole = (await (await send({ tools, max_tokens: 50 })).json()) as {
      content: { id: string }[];
    };
    expect(whole.content).toMatchObject([
      { type: "tool_use", name: "weather", input: { city: "signal", days: 1, unit: "C" } },
    ]);
    const result = { type: "tool_result", tool_use_id: whole.content[0]?.id, content: long };
    const later = [
      ...messages,
      { role: "assistant", content: whole.content },
      { role: "user", content: [result] },
    ];
    const next = (await (await send({ tools, messages: later })).json()) as {
      usage: { cache_read_input_tokens: number };
    };
    expect(next).toMatchObject({ content: [{ type: "text" }] });
    expect(next.usage.cache_read_input_tokens).toBe(cachedAfterCall(tools));
  });

  it("count tokens without computing them", async () => {
    await sim.start();
    const counted = await sim.post("/v1/messages/count_tokens", { messages, system: "Be brief." });
    // "<system>Be brief." and a newline: 18 bytes before 1,018.
    expect(await counted.json()).toEqual({ input_tokens: 259 });
    expect(await sim.sample("vllm:prompt_tokens_total{")).toBe(0);
  });

  it.each([
    [{ max_tokens: undefined }, 400, "max_tokens"],
    [{ messages: [] }, 400, "messages"],
    [{ priority: 1 }, 400, "Priority scheduling is not enabled"],
    [{ model: "other" }, 404, "does not exist"],
  ])("refuse %j with status %i in the shape of the API", async (body, status, message) => {
    await sim.start();
    const response = await send(body);
    expect([response.status, await response.json()]).toMatchObject([
      status,
      { type: "error", error: { message: expect.stringContaining(message) } },
    ]);
  });

  it("die and fail like any stream", async () => {
    await sim.start({ settings: { dieAfterTokens: 1 } });
    const cut = await send({ stream: true });
    await expect(cut.text()).rejects.toThrow("terminated");
    await sim.admin("PATCH", "/engines/engine-0", { dieAfterTokens: 0, errorEventRatio: 1 });
    const failed = await (await send({ stream: true })).text();
    expect(failed).toMatch(/^event: error\ndata: \{"type":"error","error":\{/u);
  });
});
