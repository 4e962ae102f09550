import {
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createDeflate,
  createDeflateRaw,
  createGzip,
  createZstdCompress,
  gzipSync,
} from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAnswerReader, type AnswerReaderOptions } from "./answer-reader.ts";
import { decodedBytesMax } from "./decoder.ts";
import { cutAt } from "#test/support/cuts.ts";

const sseHeaders: AnswerReaderOptions = {
  contentType: "text/event-stream",
  contentEncoding: undefined,
  promisesMarker: true,
};
const jsonHeaders: AnswerReaderOptions = {
  contentType: "application/json",
  contentEncoding: undefined,
};

/** A reader after a body that arrives cut after each of `cuts`. */
function readerAfter(
  options: AnswerReaderOptions,
  body: string | Uint8Array,
  { cuts = [], isWhole = true }: { cuts?: readonly number[]; isWhole?: boolean } = {},
) {
  const reader = createAnswerReader(options);
  for (const piece of cutAt(Buffer.from(body), cuts)) {
    const chunk = Buffer.from(piece);
    reader.push(chunk);
    chunk.fill(0x21);
  }
  reader.end(isWhole);
  return reader;
}

const everyByteOf = (body: string) => Array.from({ length: body.length }, (_, index) => index);
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const named = (type: string, rest: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;

const doneMarker = "data: [DONE]\n\n";
const chunk = (delta: object, finish: unknown = null) =>
  data({ id: "c", object: "chat.completion.chunk", choices: [{ delta, finish_reason: finish }] });
const role = chunk({ role: "assistant", content: "" });
const hello = chunk({ content: "hello" });
const sglang = (text: string, finish: unknown = null, completionTokens = 1) =>
  data({
    text,
    meta_info: { id: "a", completion_tokens: completionTokens, finish_reason: finish },
  });

const engine = (name: string) => ({ code: `answer_error_${name}`, blame: "engine" });
const client = (name: string) => ({ code: `answer_error_${name}`, blame: "client" });

const lineHeaders: AnswerReaderOptions = { ...sseHeaders, contentType: "application/x-ndjson" };
const line = (value: unknown) => `${JSON.stringify(value)}\n`;

describe("an error in a stream that began with 200", () => {
  const error = (rest: object) => data({ error: { message: "x", ...rest } });

  it.each<[string, string, object]>([
    ["OpenAI's object with a status", error({ code: 500 }) + doneMarker, engine("server")],
    ["before a token", role + error({ type: "server_error" }), engine("server")],
    ["after tokens", role + hello + error({ code: "500" }) + doneMarker, engine("server")],
    ["without a name", hello + data({ error: {} }), engine("server")],
    ["as text", hello + data({ error: "boom" }), engine("server")],
    [
      "as text with a class",
      data({ error: "x", error_type: "validation" }),
      client("invalid_request"),
    ],
    ["as text with a status", data({ error: "x", status_code: 503 }), engine("overloaded")],
    ["of vLLM", hello + error({ type: "InternalServerError", code: 500 }), engine("server")],
    [
      "of vLLM's client",
      hello + error({ type: "BadRequestError", code: 400 }),
      client("invalid_request"),
    ],
    [
      "of an older vLLM",
      data({ object: "error", message: "x", type: "NotFoundError", code: 404 }),
      client("not_found"),
    ],
    ["in a finish reason", role + chunk({}, "error") + doneMarker, engine("server")],
    ["of a choice", hello + data({ choices: [{ error: { code: 429 } }] }), client("rate_limit")],
    ["beside choices", data({ id: "c", error: { code: 502 }, choices: [] }), engine("server")],
    [
      "as an aborted choice before the usage",
      hello + chunk({}, "abort") + data({ choices: [], usage: { prompt_tokens: 1 } }) + doneMarker,
      engine("aborted"),
    ],
    ["as an aborted choice", hello + chunk({}, "abort") + doneMarker, engine("aborted")],
    [
      "of SGLang",
      sglang("a", { type: "abort", message: "x", status_code: 503 }),
      engine("overloaded"),
    ],
    [
      "of SGLang without a status",
      sglang("a") + sglang("ab", { type: "abort" }),
      engine("aborted"),
    ],
    [
      "of SGLang's client",
      sglang("", { type: "abort", status_code: 400, err_type: "BadRequestError" }, 0),
      client("invalid_request"),
    ],
    [
      "of Anthropic",
      named("error", { error: { type: "overloaded_error", message: "x" } }),
      engine("overloaded"),
    ],
    [
      "of Anthropic's client",
      `${named("message_start")}event: error\ndata: {"error":{"type":"invalid_request_error"}}\n\n`,
      client("invalid_request"),
    ],
    ["named so, without JSON", "event: error\ndata: gone\n\n", engine("server")],
    ["named so without a blank", "event:error\ndata:gone\n\n", engine("server")],
    [
      "of the Responses API",
      named("error", { code: "server_error", message: "x" }),
      engine("server"),
    ],
    [
      "of the Responses API's client",
      named("error", { code: "context_length_exceeded", message: "x" }),
      client("invalid_request"),
    ],
    [
      "of a failed response",
      named("response.failed", { response: { status: "failed", error: { code: "server_error" } } }),
      engine("server"),
    ],
    [
      "of a failed response that does not say why",
      named("response.failed", { response: { status: "failed", error: null } }),
      engine("server"),
    ],
    [
      "of a response that was too fast",
      named("response.failed", { response: { error: { code: "rate_limit_exceeded" } } }),
      client("rate_limit"),
    ],
    ["of Triton", data({ error: "in ensemble: timeout" }), engine("server")],
    ["in two lines", 'data: {"error":\ndata: {"code":504}}\n\n', engine("timeout")],
    [
      "with other white space",
      'data: { "error" : { "code" : 401 } }\r\n\r\n',
      client("authentication"),
    ],
    ["without an empty line after it", `${hello}data: {"error":{"code":500}}`, engine("server")],
    ["in the line after carriage returns", 'data: {"error":{"code":500}}\r\r', engine("server")],
  ])("is read: %s", (_, body, failure) => {
    expect(readerAfter(sseHeaders, body)).toMatchObject({ failure, isComplete: true });
    expect(readerAfter(sseHeaders, body, { cuts: everyByteOf(body) })).toMatchObject({ failure });
  });

  it.each([
    ["image_too_large", client("invalid_request")],
    ["image_parse_error", client("invalid_request")],
    ["image_content_policy_violation", client("invalid_request")],
    ["empty_image_file", client("invalid_request")],
    ["failed_to_download_image", client("invalid_request")],
    ["image_file_not_found", client("not_found")],
    ["unknown_parameter", client("invalid_request")],
    ["array_above_max_length", client("invalid_request")],
    ["integer_below_min_value", client("invalid_request")],
    ["prompt_too_long", client("invalid_request")],
    ["VLLMValidationError", client("invalid_request")],
    ["RequestValidationError", client("invalid_request")],
    ["template_error", client("invalid_request")],
    ["UNAUTHENTICATED", client("authentication")],
    ["UNIMPLEMENTED", client("invalid_request")],
    ["ThrottlingException", client("rate_limit")],
    ["RESOURCE_EXHAUSTED", engine("overloaded")],
    ["server_is_overloaded", engine("overloaded")],
    ["vector_store_timeout", engine("timeout")],
    ["FileNotFoundError", engine("server")],
    ["image_generation_server_error", engine("server")],
  ])("has the class of its name: %s", (code, failure) => {
    const failed = named("response.failed", { response: { status: "failed", error: { code } } });
    expect(readerAfter(sseHeaders, hello + failed).failure).toEqual(failure);
    expect(readerAfter(sseHeaders, hello + error({ type: code })).failure).toEqual(failure);
    expect(readerAfter(jsonHeaders, JSON.stringify({ error: { code } })).failure).toEqual(failure);
  });

  it.each([
    ["a long last event", 100, {}],
    ["an event that is too long", 20_000, { eventBytesMax: 10_000 }],
  ])("is read from its type in %s", (_, length, options) => {
    const response = { status: "failed", error: null, instructions: "x".repeat(length + 20_000) };
    for (const event of [{ type: "response.failed", response }, { response }]) {
      const body = `event: response.failed\n${data(event)}`;
      const told = { failure: engine("server"), isComplete: true };
      expect(readerAfter({ ...sseHeaders, ...options }, body)).toMatchObject(told);
    }
  });

  it.each<[string, object | undefined]>([
    ['\n {"error":{"code":500}}', engine("server")],
    ['[{"meta_info":{"finish_reason":{"type":"abort"}}}]', engine("aborted")],
    [`\n${error({ code: 429 })}`, client("rate_limit")],
    [`\ufeff${error({ code: 429 })}`, client("rate_limit")],
    [`: waiting\n\n${error({ code: 503 })}`, engine("overloaded")],
    ["event: error\ndata: x\n\n", engine("server")],
    ["An error.", undefined],
    ['"error"', undefined],
    ["", undefined],
  ])("is read from a body without a content type that begins as %j", (body, failure) => {
    for (const contentType of [undefined, " "]) {
      const options = { ...sseHeaders, contentType };
      expect(readerAfter(options, body).failure).toEqual(failure);
      expect(readerAfter(options, body, { cuts: everyByteOf(body) }).failure).toEqual(failure);
      const packed = readerAfter({ ...options, contentEncoding: "gzip" }, gzipSync(body));
      expect(packed.failure).toEqual(failure);
    }
  });

  it("is read from JSON lines", () => {
    const begun = line({ model: "m", response: "", done: false });
    const token = line({ model: "m", response: "a", done: false });
    for (const [rest, failure] of [
      [line({ error: "boom" }), engine("server")],
      ['{"error":{"code":400}}', client("invalid_request")],
      [line({ response: '{"error":1}' }) + line({ response: "", done: true }), undefined],
    ] as const) {
      const body = begun + token + rest;
      expect(readerAfter(lineHeaders, body)).toMatchObject({ failure, isComplete: true });
      expect(readerAfter(lineHeaders, body, { cuts: everyByteOf(body) }).failure).toEqual(failure);
    }
    const reader = createAnswerReader(lineHeaders);
    reader.push(Buffer.from(begun));
    expect(reader.hasBegun).toBe(false);
    reader.push(Buffer.from(token));
    expect(reader.hasBegun).toBe(true);
  });

  it.each([
    ["a text about errors", chunk({ content: '{"error":{"code":500}} data: {"error":1}' })],
    ["the text error", chunk({ content: "error" })],
    [
      "a key in a tool's argument",
      chunk({ tool_calls: [{ function: { arguments: '"error":1' } }] }),
    ],
    ["an error of null", data({ error: null, choices: [{ delta: { content: "a" } }] })],
    ["an error of nothing", data({ error: "", choices: [{ delta: { content: "a" } }] })],
    ["an error deeper in", data({ choices: [{ delta: { error: { code: 500 } } }] })],
    ["a call of a tool that failed", named("response.mcp_call.failed", { item: { error: "x" } })],
    ["a comment", ': {"error":{"code":500}}\n\n'],
  ])("is not read from %s", (_, event) => {
    expect(readerAfter(sseHeaders, role + event + doneMarker).failure).toBeUndefined();
  });

  it.each(["max_output_tokens", "content_filter"])(
    "is not read from a response that is incomplete by its %s",
    (reason) => {
      const response = { status: "incomplete", error: null, incomplete_details: { reason } };
      const body = named("response.incomplete", { response });
      expect(readerAfter(sseHeaders, body)).toMatchObject({ failure: undefined, isComplete: true });
    },
  );
});

describe("an error in a JSON body that came with 200", () => {
  it.each<[string, object]>([
    ['{"error":{"message":"x","type":"server_error","code":500}}', engine("server")],
    ['{"id":"a","choices":[],"error":{"code":"429"}}', client("rate_limit")],
    ['{"error":"boom"}', engine("server")],
    ['{"error":"x","error_type":"overloaded"}', engine("overloaded")],
    [
      '{"object":"error","message":"x","type":"BadRequestError","code":400}',
      client("invalid_request"),
    ],
    ['{"type":"error","error":{"type":"api_error"}}', engine("server")],
    ['{"object":"response","status":"failed","error":{"code":"server_error"}}', engine("server")],
    ['{"object":"response","status":"failed","error":null}', engine("server")],
    ['{"choices":[{"message":{"content":"a"},"finish_reason":"abort"}]}', engine("aborted")],
    [
      '{"choices":[{"finish_reason":"stop"},{"finish_reason" : "error"}],"usage":null}',
      engine("server"),
    ],
    ['{"choices":[{"error":{"code":502},"finish_reason":"stop"}]}', engine("server")],
    ['{"choices":[{"error":null},{"error":{"code":400}}]}', client("invalid_request")],
    [
      '{"text":"","meta_info":{"finish_reason":{"type":"abort","status_code":500}}}',
      engine("server"),
    ],
    [
      '[{"meta_info":{"finish_reason":{"type":"abort","status_code":400}}}]',
      client("invalid_request"),
    ],
  ])("is read: %s", (body, failure) => {
    expect(readerAfter(jsonHeaders, body)).toMatchObject({ failure, isComplete: true });
    expect(readerAfter(jsonHeaders, body, { cuts: everyByteOf(body) })).toMatchObject({ failure });
  });

  it.each([
    '{"error":null,"choices":[{"finish_reason":"stop"}]}',
    '{"choices":[{"message":{"error":{"code":500},"content":"\\"error\\":{}"}}]}',
    '{"choices":[{"message":{"finish_reason":"error"},"finish_reason":"length"}]}',
    '{"data":[{"error":"x"}],"object":"list"}',
    '{"object":"response","status":"incomplete","error":null,"output":[{"status":"failed"}]}',
    '{"object":"response","status":"completed","output":[{"type":"error"}]}',
    '[{"error":"x"}]',
    '{"type":"message","content":[{"type":"error"}]}',
  ])("is not read from %s", (body) => {
    expect(readerAfter(jsonHeaders, body).failure).toBeUndefined();
    expect(readerAfter(jsonHeaders, body, { cuts: everyByteOf(body) }).failure).toBeUndefined();
  });

  it("counts if it is too long to be read", () => {
    const error = { message: "x".repeat(200) };
    for (const body of [{ object: "error", error }, { error }, { choices: [{ error }] }]) {
      const reader = readerAfter({ ...jsonHeaders, valueBytesMax: 100 }, JSON.stringify(body));
      expect(reader.failure).toEqual(engine("server"));
    }
  });
});

describe("the end of a stream", () => {
  const anthropic = named("content_block_delta", { delta: { type: "text_delta", text: "a" } });
  const responses = named("response.output_text.delta", { delta: "a" });

  it.each([
    ["[DONE]", hello + doneMarker],
    ["a finish reason", hello + chunk({}, "stop")],
    ["a finish reason with the last token", chunk({ content: "a" }, "length")],
    [
      "the usage after it",
      hello + chunk({}, "stop") + data({ choices: [], usage: { prompt_tokens: 1 } }),
    ],
    ["message_stop", anthropic + named("message_stop")],
    ["a stop reason", anthropic + named("message_delta", { delta: { stop_reason: "end_turn" } })],
    ["response.completed", responses + named("response.completed", { response: { usage: null } })],
    [
      "response.completed with the whole output",
      responses + named("response.completed", { response: { output: ["x".repeat(40_000)] } }),
    ],
    ["[DONE] with a blank", `${hello}data: [DONE] \n\n`],
    [
      "response.completed with its type last",
      `${responses}event: response.completed\n${data({ response: { output: ["x".repeat(40_000)] }, type: "response.completed" })}`,
    ],
    ["the whole text of TGI", data({ token: { text: "</s>" }, generated_text: "" })],
    ["the last event of llama.cpp", data({ content: "a" }) + data({ content: "", stop: true })],
    ["SGLang's finish reason", sglang("a") + sglang("ab", { type: "stop" })],
  ])("is complete after %s, whichever side closes", (_, body) => {
    for (const isWhole of [true, false]) {
      const told = { isComplete: true, failure: undefined };
      expect(readerAfter(sseHeaders, body, { isWhole })).toMatchObject(told);
      expect(readerAfter(sseHeaders, body, { isWhole, cuts: everyByteOf(body) })).toMatchObject(
        told,
      );
    }
  });

  it.each([
    ["nothing", ""],
    ["a comment", ": waiting\n\n"],
    ["a token", role + hello],
    ["half an event", `${hello}data: {"choi`],
    ["SGLang's token", sglang("a")],
    [
      "running usage",
      data({ choices: [{ delta: { content: "a" } }], usage: { prompt_tokens: 1 } }),
    ],
    ["Anthropic's token", anthropic],
    ["a token of the Responses API", responses],
    ["a token after a choice that has finished", chunk({}, "stop") + hello],
  ])("cuts it short after %s", (_, body) => {
    const failure = { code: "answer_truncated", blame: "engine" };
    for (const cuts of [[], everyByteOf(body)]) {
      expect(readerAfter(sseHeaders, body, { cuts }).failure).toEqual(failure);
      // The client may also close before the end.
      const left = readerAfter(sseHeaders, body, { cuts, isWhole: false });
      expect(left).toMatchObject({ isComplete: false, failure: undefined });
      const unknown = readerAfter({ ...sseHeaders, promisesMarker: false }, body, { cuts });
      expect(unknown.failure).toBeUndefined();
    }
  });

  it.each([
    ["no choices", data({ id: "c", choices: [], usage: null })],
    ["a ping", named("ping")],
  ])("is not judged after %s, which may follow the last token's event", (_, event) => {
    const body = hello + chunk({}, "stop") + event;
    for (const cuts of [[], everyByteOf(body)]) {
      expect(readerAfter(sseHeaders, body, { cuts }).failure).toBeUndefined();
    }
    expect(readerAfter(sseHeaders, role + event).failure).toMatchObject({
      code: "answer_truncated",
    });
  });

  it.each(["response.completed", "image_generation.completed"])(
    "is known by the name of an event that is too long to be read: %s",
    (name) => {
      const body = named("response.output_text.delta", { delta: "a" });
      const final = `event: ${name}\n${data({ x: "x".repeat(500), type: name })}`;
      const reader = readerAfter({ ...sseHeaders, eventBytesMax: 400 }, body + final, {
        isWhole: false,
      });
      expect(reader.isComplete).toBe(true);
    },
  );

  it("is not judged after an event that is too long to be read", () => {
    const body = hello + chunk({ content: "x".repeat(500) });
    expect(readerAfter({ ...sseHeaders, eventBytesMax: 400 }, body).failure).toBeUndefined();
    expect(readerAfter({ ...sseHeaders, eventBytesMax: 400 }, body + hello).failure).toBeDefined();
  });
});

describe("the first token", () => {
  /** The number of events after which the reader has the first token. */
  function firstOf(events: readonly string[]): number | undefined {
    const reader = createAnswerReader(sseHeaders);
    for (const [index, event] of events.entries()) {
      reader.push(Buffer.from(event));
      if (reader.hasBegun) return index;
    }
    return undefined;
  }

  it.each([
    ["a role", role],
    [
      "a role with empty members",
      chunk({ role: "assistant", content: null, tool_calls: [], refusal: null }),
    ],
    ["empty text", chunk({ content: "" })],
    ["an empty completion", data({ choices: [{ text: "" }] })],
    ["no choice", data({ choices: [], prompt_filter_results: [{}] })],
    ["usage", data({ choices: [], usage: { prompt_tokens: 1 } })],
    ["a comment", ": ping\n\n"],
    ["an empty line", "\n"],
    ["empty data", "data:\n\n"],
    ["an empty object", "data: {}\n\n"],
    ["choices of null", data({ id: "c", created: 1, model: "m", choices: null })],
    ["an event without choices", data({ id: "c", object: "x", created: 1, model: "m" })],
    ["progress of llama.cpp", data({ content: "", tokens: [], prompt_progress: { total: 9 } })],
    ["Ollama's beginning", data({ model: "m", message: { role: "assistant", content: "" } })],
    ["a ping", named("ping")],
    ["a ping by its name", "event: ping\ndata: 2026-01-01\n\n"],
    [
      "message_start",
      named("message_start", {
        message: { role: "assistant", content: [], usage: { input_tokens: 9 } },
      }),
    ],
    [
      "the start of a text",
      named("content_block_start", { content_block: { type: "text", text: "" } }),
    ],
    [
      "the start of thinking",
      named("content_block_start", {
        content_block: { type: "thinking", thinking: "", signature: "" },
      }),
    ],
    [
      "an empty delta",
      named("content_block_delta", { delta: { type: "input_json_delta", partial_json: "" } }),
    ],
    [
      "response.created",
      named("response.created", { response: { status: "in_progress", output: [], error: null } }),
    ],
    ["response.in_progress", named("response.in_progress", { response: {} })],
    ["an item", named("response.output_item.added", { item: { type: "message", content: [] } })],
    ["a part", named("response.content_part.added", { part: { type: "output_text", text: "" } })],
    ["SGLang's prompt", sglang("", null, 0)],
    [
      "the prompt's ids",
      data({ choices: [{ delta: { role: "assistant", content: "" }, prompt_token_ids: [1, 2] }] }),
    ],
    ["an error", data({ error: { code: 500 } })],
    ["the marker", doneMarker],
  ])("is not %s", (_, event) => {
    expect(firstOf([event, hello])).toBe(1);
    expect(firstOf([event])).toBeUndefined();
  });

  it.each([
    ["text", hello],
    ["text of a completion", data({ choices: [{ text: "a" }] })],
    ["a blank", chunk({ content: " " })],
    ["reasoning", chunk({ reasoning_content: "a" })],
    ["reasoning by another name", chunk({ role: "assistant", content: "", reasoning: "a" })],
    [
      "a tool's call",
      chunk({ tool_calls: [{ index: 0, function: { name: "f", arguments: "" } }] }),
    ],
    ["a refusal", chunk({ refusal: "no" })],
    ["audio", chunk({ audio: { data: "AAAA" } })],
    ["token ids", data({ choices: [{ delta: { content: "" }, token_ids: [7] }] })],
    [
      "Anthropic's text",
      named("content_block_delta", { delta: { type: "text_delta", text: "a" } }),
    ],
    [
      "Anthropic's thinking",
      named("content_block_delta", { delta: { type: "thinking_delta", thinking: "a" } }),
    ],
    [
      "Anthropic's tool",
      named("content_block_start", { content_block: { type: "tool_use", name: "f", input: {} } }),
    ],
    ["text of a response", named("response.output_text.delta", { delta: "a" })],
    ["reasoning of a response", named("response.reasoning_text.delta", { delta: "a" })],
    ["arguments of a response", named("response.function_call_arguments.delta", { delta: "{" })],
    [
      "a response in one event",
      named("response.completed", { response: { output: [{ type: "message" }] } }),
    ],
    ["SGLang's text", sglang("a")],
    ["SGLang's token without text", sglang("", null, 1)],
    ["a transcript", named("transcript.text.delta", { delta: "a" })],
    ["Triton's text", data({ text_output: "a" })],
    ["plain text", "data: hello\n\n"],
    ["an event that is not known", data({ answer: 1 })],
  ])("is %s", (_, event) => {
    expect(firstOf([role, event])).toBe(1);
    expect(firstOf([event])).toBe(0);
  });

  it("is assumed after 1,000 events without one", () => {
    expect(firstOf(Array.from({ length: 1_001 }, () => role))).toBe(999);
  });

  it.each([
    ["a JSON body", jsonHeaders],
    ["a type that is not read", { contentType: "text/plain", contentEncoding: undefined }],
    ["no type", { contentType: undefined, contentEncoding: undefined }],
    ["an encoding that is not read", { ...sseHeaders, contentEncoding: "lzma" }],
  ])("is the first byte of %s", (_, options) => {
    const reader = createAnswerReader(options);
    reader.push(new Uint8Array(0));
    expect(reader.hasBegun).toBe(false);
    reader.push(Buffer.from("{"));
    expect([reader.hasBegun, reader.isEventStream]).toEqual([true, false]);
  });
});

const compressors = {
  gzip: () => createGzip(),
  "x-gzip": () => createGzip(),
  deflate: () => createDeflate(),
  "deflate, bare": () => createDeflateRaw(),
  br: () => createBrotliCompress(),
  zstd: () => createZstdCompress(),
};

/** `pieces` compressed, each flushed as a server that streams does. */
async function compressed(encoding: keyof typeof compressors, pieces: readonly string[]) {
  const stream = compressors[encoding]();
  const chunks: Buffer[] = [];
  stream.on("data", (bytes: Buffer) => chunks.push(bytes));
  for (const piece of pieces) {
    stream.write(piece);
    await new Promise<void>((resolve) => stream.flush(() => resolve()));
  }
  await new Promise<void>((resolve) => stream.end(resolve));
  return Buffer.concat(chunks);
}

const encodings = Object.keys(compressors) as (keyof typeof compressors)[];

describe("a compressed answer", () => {
  const usage = data({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } });
  const reading = { usage: { promptTokens: 9, outputTokens: 2 }, events: 4, failure: undefined };

  it.each(encodings)("is read in %s, for any chunks", async (encoding) => {
    const body = await compressed(encoding, [role, hello, chunk({}, "stop"), usage, doneMarker]);
    const options = { ...sseHeaders, contentEncoding: encoding.replace(", bare", "") };
    fc.assert(
      fc.property(fc.array(fc.nat(body.byteLength)), (cuts) => {
        expect(readerAfter(options, body, { cuts })).toMatchObject({
          ...reading,
          isComplete: true,
        });
      }),
      { numRuns: 50 },
    );
  });

  it.each(encodings)(
    "reports the first token and an error in %s without delay",
    async (encoding) => {
      const first = await compressed(encoding, [role]);
      const both = await compressed(encoding, [role, hello]);
      const options = { ...sseHeaders, contentEncoding: encoding.replace(", bare", "") };
      expect(readerAfter(options, first, { isWhole: false }).hasBegun).toBe(false);
      expect(readerAfter(options, both, { isWhole: false }).hasBegun).toBe(true);
      const failed = await compressed(encoding, [hello, data({ error: { code: 500 } })]);
      expect(readerAfter(options, failed).failure).toEqual(engine("server"));
    },
  );

  it("is read as JSON too", () => {
    const body = gzipSync(
      '{"usage":{"prompt_tokens":9,"completion_tokens":2},"error":{"code":500}}',
    );
    const reader = readerAfter({ ...jsonHeaders, contentEncoding: "gzip" }, body);
    expect(reader).toMatchObject({ usage: reading.usage, failure: engine("server") });
  });

  it("is not judged after bytes that cannot be decoded", () => {
    const body = gzipSync(role + hello);
    body.fill(0, 10);
    const reader = readerAfter({ ...sseHeaders, contentEncoding: "gzip" }, body);
    expect(reader).toMatchObject({ failure: undefined, isComplete: false, hasBegun: true });
  });

  it("is not read any more after a chunk that decompresses beyond the limit", () => {
    const bomb = brotliCompressSync(Buffer.alloc(4 * decodedBytesMax, 0x20), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5 },
    });
    expect(bomb.byteLength).toBeLessThan(64 * 1_024);
    const reader = readerAfter({ ...sseHeaders, contentEncoding: "br" }, bomb);
    expect(reader).toMatchObject({ hasBegun: true, failure: undefined });
    expect(reader.carriedBytes).toBeLessThan(decodedBytesMax);
  });
});

describe("any stream", () => {
  it("gives the same results for any chunks", () => {
    const events = fc.constantFrom(
      ...[role, hello, chunk({}, "stop"), chunk({}, "abort"), doneMarker, ": c\n\n", named("ping")],
      ...[
        data({ error: { code: 500 } }),
        data({ error: null }),
        sglang("a"),
        "event: error\ndata: x\n\n",
      ],
      ...[
        named("message_stop"),
        named("response.failed"),
        "data: {\ndata: }\n\n",
        'data: {"usage":{}}\r\n\r\n',
      ],
    );
    fc.assert(
      fc.property(fc.array(events, { maxLength: 8 }), fc.array(fc.nat(900)), (parts, cuts) => {
        const body = parts.join("");
        const told = ({
          failure,
          isComplete,
          hasBegun,
          events: count,
        }: ReturnType<typeof readerAfter>) => ({ failure, isComplete, hasBegun, count });
        expect(told(readerAfter(sseHeaders, body, { cuts }))).toEqual(
          told(readerAfter(sseHeaders, body)),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
