import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BodyUse, ParseResult, SeenBody } from "../../core/parse-result.ts";
import type { RequestHead } from "../../core/request.ts";
import { BytePieces } from "../../std/byte-pieces.ts";
import { anthropicParser } from "./dialects/anthropic-parser.ts";
import { openaiParser } from "./dialects/openai-parser.ts";
import { passthroughParser } from "./dialects/passthrough-parser.ts";
import { createRequestReader } from "./request-reader.ts";
import { requestParsers } from "./request-parsers.ts";
import { sglangHttpParser } from "./dialects/sglang-http-parser.ts";
import { vllmHttpParser } from "./dialects/vllm-http-parser.ts";

const { bodyUse, parse } = createRequestReader(requestParsers);

function aHead(
  path = "/v1/chat/completions",
  headers: Record<string, string> = { "content-type": "application/json" },
  method = "POST",
): RequestHead {
  return { id: "r1", method, path, headers: new Map(Object.entries(headers)), subset: undefined };
}

const bytes = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

/** The message of a refusal, or the dialect of a parsed request. */
function verdictOf(
  head: RequestHead,
  body: SeenBody,
  reader = createRequestReader(requestParsers),
): string {
  const result = reader.parse(head, body);
  return result.kind === "refused" ? result.refusal.message : result.request.dialect;
}

const allDialects = requestParsers.flatMap(({ dialects }) => dialects);

describe("a request reader", () => {
  it("reads model, streaming, prompt, bounds and sizes", () => {
    const head = aHead();
    const body = bytes({
      model: "my-lora",
      stream: true,
      max_tokens: 8,
      messages: [{ role: "user", content: "hello" }],
    });
    expect(parse(head, body)).toEqual({
      kind: "parsed",
      unread: undefined,
      withModel: expect.any(Function),
      withFields: expect.any(Function),
      request: {
        head,
        dialect: "chat",
        model: "my-lora",
        targetModel: "my-lora",
        cacheSalt: "",
        sessionKey: "",
        storedId: "",
        isStreaming: true,
        priority: 0,
        prompts: [
          [
            { kind: "text", text: "user" },
            { kind: "text", text: "hello" },
          ],
        ],
        openingParts: 2,
        // (4 + 5 bytes) / 4, rounded up.
        promptTokens: 3,
        outputTokensMax: 8,
        bodyBytes: body.byteLength,
      },
    });
  });

  it("passes an unknown path through with its size", () => {
    const head = aHead("/v1/rerank");
    const request = {
      head,
      dialect: "passthrough",
      model: "",
      targetModel: "",
      cacheSalt: "",
      sessionKey: "",
      storedId: "",
      isStreaming: false,
      priority: 0,
      prompts: [],
      openingParts: 0,
      promptTokens: 0,
      outputTokensMax: undefined,
      bodyBytes: 3,
    };
    const nothing = { withModel: undefined, unread: "malformed" };
    expect(parse(head, bytes("{x}"))).toEqual({ kind: "parsed", request, ...nothing });
  });

  it.each([
    ["/v1/realtime?model=m", "websocket", "m"],
    ["/v1/realtime?a=1&model=org%2Fm+1", "WebSocket", "org/m 1"],
    ["/v1/own/path?model=m&model=n", "own", "m"],
    ["/v1/realtime", "websocket", ""],
    ["/v1/realtime?model=", "websocket", ""],
    ["/v1/chat?model=m", "h2c", ""],
    ["/v1/chat?model=m", undefined, ""],
  ])(
    "reads the model of a connection that changes its protocol: %s, %s",
    (path, upgrade, model) => {
      const headers = new Map(upgrade === undefined ? [] : [["upgrade", upgrade]]);
      const head = { ...aHead(path), method: "GET", headers };
      const result = parse(head, "not_wanted");
      expect(result).toMatchObject({
        request: { dialect: "passthrough", model, targetModel: model },
      });
    },
  );

  it.for<[string, Record<string, string>, string, string]>([
    ["no type and JSON", {}, '{"model":"m"}', "chat"],
    ["no type and no JSON", {}, "hello", "passthrough"],
    ["no type and no body", {}, "", "passthrough"],
    ["an empty type", { "content-type": " " }, "hello", "passthrough"],
    ["a form", { "content-type": "multipart/form-data; boundary=x" }, "--x", "passthrough"],
    ["plain text", { "content-type": "text/plain" }, "model m", "passthrough"],
    ["JSON as plain text", { "content-type": "text/plain;charset=UTF-8" }, '{"model":"m"}', "chat"],
    [
      "JSON in the type that curl fills in",
      { "content-type": "application/x-www-form-urlencoded" },
      '{"model":"m"}',
      "chat",
    ],
    ["an older type of JSON", { "content-type": "text/json" }, '{"model":"m"}', "chat"],
    ["a type that only contains json", { "content-type": "application/jsonl" }, "x", "passthrough"],
    ["parameters", { "content-type": "application/json; charset=utf-8" }, '{"model":"m"}', "chat"],
    ["capitals", { "content-type": "Application/JSON ;x" }, '{"model":"m"}', "chat"],
    ["a suffix", { "content-type": "application/vnd.api+json" }, '{"model":"m"}', "chat"],
    [
      "a repeated type",
      { "content-type": "application/json, application/json" },
      '{"model":"m"}',
      "chat",
    ],
    [
      "a compressed body",
      { "content-type": "application/json", "content-encoding": "gzip" },
      "\u001f",
      "passthrough",
    ],
    [
      "the identity encoding",
      { "content-type": "application/json", "content-encoding": "identity" },
      '{"model":"m"}',
      "chat",
    ],
  ])("with %s", ([, headers, body, dialect]) => {
    expect(verdictOf(aHead("/v1/chat/completions", headers), bytes(body))).toBe(dialect);
  });

  it.each([
    ["", "request body is empty"],
    ["{", "request body is not valid JSON: it ends too early at line 1, column 2 (byte offset 1)"],
    ["[]", "request body must be a JSON object"],
    ["null", "request body must be a JSON object"],
    ['"model"', "request body must be a JSON object"],
    ['{"model":"m","messages":{}}', "messages: must be an array"],
  ])("refuses %j", (body, message) => {
    const refusal = { code: "malformed_request", message };
    expect(parse(aHead(), bytes(body))).toEqual({ kind: "refused", refusal });
  });

  it("passes a request whose body the proxy does not send", () => {
    expect(verdictOf(aHead(), "not_shown")).toBe("passthrough");
  });

  const needing: Record<string, string> = {
    "/v1/chat/completions": "chat completions",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "token counts",
  };
  const nameless = [
    { json: "{}", fault: "missing" },
    { json: '{"model":null}', fault: "missing" },
    { json: '{"model":""}', fault: "empty" },
    { json: '{"__proto__":{"model":"m"}}', fault: "missing" },
  ];

  it.each([
    ["/v1/chat/completions", "chat"],
    ["/v1/completions", "completions"],
    ["/v1/embeddings", "embeddings"],
    ["/v1/responses", "responses"],
    ["/v1/conversations", "conversations"],
    ["/v1/images/generations", "images"],
    ["/v1/messages", "messages"],
    ["/v1/messages/count_tokens", "count-tokens"],
    ["/inference/v1/generate", "vllm-generate"],
    ["/generate", "sglang-generate"],
  ])("leaves a missing model at %s to the engine, unless a rule needs one", (path, dialect) => {
    const strict = createRequestReader(requestParsers, {
      refusesNameless: (head) => !head.path.startsWith("/supplied"),
    });
    const noun = needing[path];
    for (const { json, fault } of nameless) {
      const result = parse(aHead(path), bytes(json));
      expect(result).toMatchObject({ request: { dialect, model: "", targetModel: "" } });
      const message = `\`model\` is ${fault}: ${noun} need the name of a model`;
      expect(verdictOf(aHead(path), bytes(json), strict)).toBe(noun ? message : dialect);
      expect(verdictOf(aHead(`/supplied${path}`), bytes(json), strict)).toBe(dialect);
    }
  });

  it.each([7, true, ["m"], { name: "m" }])(
    "leaves the model %j to the engine unchanged",
    (model) => {
      const strict = createRequestReader(requestParsers, { refusesNameless: () => true });
      for (const path of [...Object.keys(needing), "/v1/rerank", "/v2/unknown"]) {
        const result = strict.parse(aHead(path), bytes({ model }));
        expect(result).toMatchObject({ request: { model: "", targetModel: "" } });
        expect(result).toMatchObject({ withModel: undefined, unread: undefined });
      }
    },
  );

  it.each([
    [{ cache_salt: "s" }, "s"],
    [{ extra_key: "k" }, "k"],
    [{ cache_salt: "s", extra_key: "k" }, "s\nk"],
    [{ cache_salt: ["s", "t"] }, "s\nt"],
    [{ cache_salt: "", extra_key: "k" }, "k"],
    [{ cache_salt: 7, extra_key: null }, ""],
    [{ cache_salt: { a: "s" } }, ""],
    [{}, ""],
  ])("reads the cache salt of %j in every dialect", (salts, cacheSalt) => {
    for (const { pathSuffixes } of allDialects) {
      const result = parse(aHead(`/v1${pathSuffixes[0]}`), bytes({ model: "m", ...salts }));
      expect(result).toMatchObject({ request: { cacheSalt } });
    }
  });

  it("survives nesting of 100,000 levels", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(verdictOf(aHead(), bytes("[".repeat(100_000)))).toMatch(/ends too early/u);
    expect(verdictOf(aHead(), bytes(deep))).toMatch(/must be a JSON object/u);
    expect(verdictOf(aHead(), bytes(`{"model":"m","extra":${deep}}`))).toBe("chat");
    expect(verdictOf(aHead(), bytes(`{"model":"m","messages":${deep}}`))).toMatch(/messages\[0\]/u);
  });

  it.each(allDialects)("answers any JSON at $pathSuffixes with a value", ({ pathSuffixes }) => {
    const head = aHead(`/v1${pathSuffixes[0]}`);
    const field = fc.constantFrom(
      "system",
      "source",
      "data",
      "tool_use_id",
      "token_ids",
      "features",
      "mm_placeholders",
      "mm_hashes",
      "image",
      "offset",
      "length",
      "input_ids",
      "image_data",
      "lora_path",
      "cache_salt",
      "sampling_params",
      "messages",
      "prompt",
      "input",
      "items",
      "tools",
      "suffix",
      "instructions",
      "role",
      "content",
      "type",
      "text",
      "image_url",
      "tool_calls",
      "function",
      "arguments",
      "max_tokens",
      "stream",
      "output",
      "call_id",
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "medium" },
        fc.jsonValue({ maxDepth: 1 }),
        fc.constantFrom(
          "function_call",
          "function_call_output",
          "image_url",
          "input_file",
          "tool_use",
          "tool_result",
          "redacted_thinking",
          "document",
          "image",
          "content",
        ),
        fc.nat(3),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(field, tie("value"), { maxKeys: 4 }),
      ),
    }));
    const body = fc.oneof(
      value,
      fc.dictionary(field, value).map((fields) => Object.assign(fields, { model: "m" })),
    );
    fc.assert(
      fc.property(body, (json) => {
        const result = parse(head, Buffer.from(JSON.stringify(json)));
        const isAnswered =
          result.kind === "refused"
            ? result.refusal.message !== ""
            : result.request.promptTokens >= 0;
        expect(isAnswered).toBe(true);
        const again = parse(head, Buffer.from(JSON.stringify(json)));
        expect(JSON.stringify(again)).toBe(JSON.stringify(result));
      }),
      { numRuns: 500 },
    );
  });

  it("returns a value for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (body, claimsJson) => {
        const head = claimsJson ? aHead() : aHead("/v1/chat/completions", {});
        expect(verdictOf(head, body)).not.toBe("");
      }),
    );
  });
});

describe("bodyUse", () => {
  it.for<[string, string, string, BodyUse]>([
    ["POST", "/v1/chat/completions", "application/json", "required"],
    ["POST", "/v1/responses", "", "required"],
    ["POST", "/v1/rerank", "application/json", "if-short"],
    ["POST", "/v1/responses/resp_1/cancel", "application/json; charset=utf-8", "if-short"],
    ["POST", "/anything", "application/vnd.api+json", "if-short"],
    ["POST", "/anything", "", "if-object"],
    ["POST", "/anything", "text/plain", "if-object"],
    ["POST", "/anything", "application/x-www-form-urlencoded", "if-object"],
    ["POST", "/anything", "text/json", "if-short"],
    ["POST", "/v1/files", "application/octet-stream", "none"],
    ["POST", "/v1/files", "application/x-ndjson", "none"],
    ["POST", "/pkg.Service/Method", "application/grpc", "none"],
    ["POST", "/pkg.Service/Method", "application/grpc+json", "none"],
    ["POST", "/pkg.Service/Method", "application/connect+json", "none"],
    ["POST", "/v1/audio/transcriptions", "multipart/form-data; boundary=x", "none"],
    ["GET", "/v1/responses/resp_1", "", "none"],
    ["GET", "/v1/conversations", "", "none"],
    ["DELETE", "/v1/responses", "application/json", "none"],
    ["PUT", "/v1/rerank", "application/json", "none"],
  ])("of %s %s with type %j is %s", ([method, path, contentType, use]) => {
    expect(bodyUse(aHead(path, { "content-type": contentType }, method))).toBe(use);
  });

  it.each<[string, string, BodyUse]>([
    ["gzip", "/v1/chat/completions", "if-short"],
    ["GZIP , identity", "/v1/rerank", "if-short"],
    ["identity", "/v1/chat/completions", "required"],
    ["gzip, br", "/v1/rerank", "if-short"],
    ["gzip, br, gzip", "/v1/rerank", "none"],
    ["compress", "/v1/chat/completions", "none"],
    ["aws-chunked", "/v1/rerank", "none"],
  ])("of a body in %s at %s is %s", (encoding, path, use) => {
    const headers = { "content-type": "application/json", "content-encoding": encoding };
    expect(bodyUse(aHead(path, headers))).toBe(use);
  });

  it("of a form depends on the use of its model", () => {
    const options = { usesModel: ({ path }: RequestHead) => path === "/used" };
    const reader = createRequestReader(requestParsers, options);
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    expect(reader.bodyUse(aHead("/used", headers))).toBe("if-short");
    expect(reader.bodyUse(aHead("/unused", headers))).toBe("none");
  });

  it("is none only if parse does not read the body", () => {
    const head = aHead("/v1/responses", { "content-type": "application/json" }, "PUT");
    expect(bodyUse(head)).toBe("none");
    expect(verdictOf(head, bytes("not json"))).toBe("passthrough");
  });
});

describe("createRequestReader", () => {
  const openaiOnly = createRequestReader([openaiParser]);
  const body = bytes({ model: "m", max_tokens: 1 });

  it("reads the dialects of its parsers only", () => {
    expect(verdictOf(aHead("/v1/messages"), body, openaiOnly)).toBe("json");
    const both = createRequestReader([openaiParser, anthropicParser]);
    expect(verdictOf(aHead("/v1/messages"), body, both)).toBe("messages");
    expect(verdictOf(aHead(), body, both)).toBe("chat");
  });

  it("prefers the longest path suffix, for any order of its parsers", () => {
    const parsers = [sglangHttpParser, passthroughParser, vllmHttpParser];
    for (const reader of [parsers, parsers.toReversed()].map((list) => createRequestReader(list))) {
      expect(verdictOf(aHead("/a/inference/v1/generate"), body, reader)).toBe("vllm-generate");
      expect(verdictOf(aHead("/a/v1/generate"), body, reader)).toBe("sglang-generate");
    }
    const sglangOnly = createRequestReader([sglangHttpParser]);
    expect(verdictOf(aHead("/inference/v1/generate"), body, sglangOnly)).toBe("sglang-generate");
  });

  it.each([[[]], [[passthroughParser]]])(
    "leaves every body unread with the parsers %j",
    (parsers) => {
      const reader = createRequestReader(parsers);
      expect(reader.bodyUse(aHead())).toBe("none");
      expect(verdictOf(aHead(), bytes("{"), reader)).toBe("passthrough");
      expect(reader.parse(aHead(), "not_wanted")).toMatchObject({ unread: "no_parser" });
    },
  );
});

describe("requestParsers", () => {
  it("gives each type, each dialect and each path suffix to one parser", () => {
    const types = requestParsers.map(({ type }) => type);
    const names = allDialects.map(({ dialect }) => dialect);
    const suffixes = allDialects.flatMap(({ pathSuffixes }) => pathSuffixes);
    for (const list of [types, names, suffixes]) expect(new Set(list).size).toBe(list.length);
  });
});

const changedBodyOf = (result: ParseResult | undefined) =>
  result?.kind === "parsed" ? result.withModel?.("other").body : undefined;

describe("a long body", () => {
  /** More than 2 MiB, with what JSON may have in a string. */
  const long = 'He said: "mind the gap",\n转辙员 😀 \u0007 \\ '.repeat(50_000);
  const parts = [
    { type: "text", text: long },
    { type: "image_url", image_url: { url: long } },
  ];
  const bodies: readonly [path: string, body: object][] = [
    [
      "/v1/chat/completions",
      {
        messages: [
          { role: "user", content: long },
          { role: "user", content: parts },
        ],
      },
    ],
    ["/v1/completions", { prompt: [long, "short"], suffix: long }],
    ["/v1/embeddings", { input: long }],
    [
      "/v1/responses",
      { instructions: long, input: [{ role: "user", content: parts }], tools: [{ name: long }] },
    ],
    ["/v1/conversations", { items: [{ role: "user", content: long }] }],
    ["/v1/images/generations", { prompt: long }],
    ["/v1/messages", { system: long, messages: [{ role: "user", content: parts }], max_tokens: 5 }],
    ["/generate", { text: long, sampling_params: { max_new_tokens: 9 }, lora_path: "a" }],
    ["/inference/v1/generate", { token_ids: [1, 2], features: { text: long } }],
    ["/v1/rerank", { documents: [long] }],
  ];

  it.each(bodies)("of %s reads the same in slices as at once", async (path, members) => {
    const reader = createRequestReader(requestParsers);
    const body = bytes({ model: "m", stream: true, prompt_cache_key: "k", ...members });
    const pieces = [body.subarray(0, 999_999), body.subarray(999_999)];
    const ahead = await reader.readAhead?.(
      aHead(path),
      new BytePieces(pieces, body.length),
      () => true,
    );
    expect(ahead?.json).toBeDefined();
    const inSlices = ahead && reader.parse(aHead(path), ahead);
    const atOnce = reader.parse(aHead(path), body);
    expect(JSON.stringify(inSlices)).toBe(JSON.stringify(atOnce));
    expect(
      Buffer.compare(changedBodyOf(inSlices) ?? bytes("a"), changedBodyOf(atOnce) ?? bytes("b")),
    ).toBe(0);
  });

  it("is refused with the place of its fault", async () => {
    const reader = createRequestReader(requestParsers);
    const body = bytes(`{"messages":[{"role":"user","content":"${"x".repeat(2_100_000)}\u0001"}]}`);
    const ahead = await reader.readAhead?.(aHead(), body, () => true);
    expect(ahead && verdictOf(aHead(), ahead)).toBe(verdictOf(aHead(), body));
    expect(verdictOf(aHead(), body)).toContain("unexpected byte at line 1");
  });

  it.each<[string, RequestHead, SeenBody]>([
    ["is short", aHead(), Buffer.alloc(2 * 1_024 * 1_024 - 1, " ")],
    ["is not seen", aHead(), "too_long"],
    ["is no JSON", aHead("/v1/audio", { "content-type": "audio/wav" }), Buffer.alloc(3_000_000)],
    [
      "is compressed",
      aHead("/v1/chat/completions", { "content-encoding": "gzip" }),
      Buffer.alloc(3_000_000),
    ],
  ])("is not read ahead if it %s", (_, head, body) => {
    expect(createRequestReader(requestParsers).readAhead?.(head, body, () => true)).toBeUndefined();
  });
});
