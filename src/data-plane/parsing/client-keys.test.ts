import { describe, expect, it } from "vitest";
import type { InferenceRequest } from "../../core/request.ts";
import { createRequestReader } from "./request-reader.ts";
import { requestParsers } from "./request-parsers.ts";
import { aHead } from "#test/support/builders.ts";

const { parse } = createRequestReader(requestParsers);

function requestOf(
  path: string,
  body: object | undefined,
  method = "POST",
): Pick<InferenceRequest, "sessionKey" | "storedId" | "openingParts" | "prompts"> {
  const headers = new Map([["content-type", "application/json"]]);
  const seen = body === undefined ? "not_wanted" : Buffer.from(JSON.stringify(body));
  const result = parse(aHead({ path, method, headers }), seen);
  if (result.kind === "refused") throw new Error(result.refusal.message);
  return result.request;
}

const claudeCodeUser = (session: string) =>
  JSON.stringify({ device_id: "d", account_uuid: "", session_id: session });
const chat = "/v1/chat/completions";
const responses = "/v1/responses";
const messages = "/v1/messages";
const uuid = "57a121ec-f78c-48c3-a745-e3036a3ecc33";

const user = (content: string) => ({ role: "user", content });

function openingOf(path: string, body: object) {
  const { prompts, openingParts } = requestOf(path, { model: "m", ...body });
  return prompts[0]?.slice(0, openingParts).map((part) => part.kind === "text" && part.text);
}

describe("the client's key in a body", () => {
  it.each<[string, string, object, string]>([
    ["OpenAI's chat", chat, { prompt_cache_key: "k" }, "k"],
    ["OpenAI's responses, as Codex CLI sends it", responses, { prompt_cache_key: "k" }, "k"],
    ["completions", "/v1/completions", { prompt_cache_key: "k" }, "k"],
    ["OpenRouter's session", chat, { session_id: "s", prompt_cache_key: "k" }, "s"],
    ["SGLang's session", "/generate", { text: "a", session_params: { id: "s" } }, "s"],
    ["a conversation by its id", responses, { conversation: "conv_1" }, "conv_1"],
    ["a conversation as an object", responses, { conversation: { id: "conv_1" } }, "conv_1"],
    ["a member that proxies use", chat, { conversation_id: "c" }, "c"],
    ["Claude Code", messages, { metadata: { user_id: claudeCodeUser("s") } }, "s"],
    [
      "an older Claude Code",
      messages,
      { metadata: { user_id: `user_ab12_account__session_${uuid}` } },
      uuid,
    ],
    [
      "Claude Code with an account",
      messages,
      { metadata: { user_id: `user_ab12_account_${uuid}_session_s-1` } },
      "s-1",
    ],
    ["metadata of a client", chat, { metadata: { session_id: "s", user_id: "u" } }, "s"],
    ["an API that is not known", "/v1/rerank", { session_id: "s" }, "s"],
  ])("is read: %s", (_, ...[path, body, key]) => {
    expect(requestOf(path, { model: "m", ...body }).sessionKey).toBe(key);
  });

  it.each<[string, object]>([
    ["none", {}],
    ["a user", { user: "u", safety_identifier: "u" }],
    ["a user of the Anthropic API", { metadata: { user_id: "user-77" } }],
    ["text that begins as JSON", { metadata: { user_id: "{x" } }],
    ["JSON without a session", { metadata: { user_id: '{"device_id":"d"}' } }],
    ["a number", { prompt_cache_key: 7, session_id: 7, conversation: 7 }],
    ["null", { prompt_cache_key: null, metadata: null, conversation: null, session_params: null }],
    ["an object without an id", { conversation: {}, session_params: {} }],
    ["513 characters", { prompt_cache_key: "k".repeat(513) }],
  ])("is empty for %s", (_, body) => {
    expect(requestOf(chat, { model: "m", ...body }).sessionKey).toBe("");
  });
});

describe("the stored object of a request", () => {
  it.each<[string, string, object | undefined, string, string]>([
    ["a continued response", responses, { previous_response_id: "resp_1" }, "POST", "resp_1"],
    ["a conversation", responses, { conversation: { id: "conv_1" } }, "POST", "conv_1"],
    ["a response to read", `${responses}/resp_1`, undefined, "GET", "resp_1"],
    [
      "a response to read as a stream",
      `${responses}/resp_1?stream=true`,
      undefined,
      "GET",
      "resp_1",
    ],
    ["items of a response", `/ns/m${responses}/resp_1/input_items`, undefined, "GET", "resp_1"],
    ["a response to cancel", `${responses}/resp_1/cancel`, undefined, "POST", "resp_1"],
    ["a response to delete", `${responses}/resp_1`, undefined, "DELETE", "resp_1"],
    ["items to add", "/v1/conversations/conv_1/items", { items: [] }, "POST", "conv_1"],
    ["a first response", responses, { input: "a" }, "POST", ""],
    ["null", responses, { previous_response_id: null, conversation: null }, "POST", ""],
    ["a compaction", `${responses}/compact`, { input: "a" }, "POST", ""],
    ["token counts", `${responses}/input_tokens`, { input: "a" }, "POST", ""],
  ])("is read: %s", (_, ...[path, body, method, storedId]) => {
    expect(requestOf(path, body, method).storedId).toBe(storedId);
  });
});

describe("the opening of a conversation", () => {
  it.each<[string, string, object, readonly string[]]>([
    [
      "instructions, tools and the user's first message",
      chat,
      {
        tools: [1],
        messages: [
          { role: "system", content: "s" },
          user("u"),
          { role: "assistant", content: "a" },
          user("v"),
        ],
      },
      ["[1]", "system", "s", "user", "u"],
    ],
    ["all of a first request", chat, { messages: [user("u")] }, ["user", "u"]],
    [
      "the user's messages up to the first answer",
      responses,
      {
        instructions: "s",
        input: [
          { type: "message", role: "developer", content: "d" },
          { type: "message", role: "user", content: "environment" },
          { type: "message", role: "user", content: "u" },
          { type: "reasoning", summary: [] },
          { type: "message", role: "user", content: "v" },
        ],
      },
      ["s", "developer", "d", "user", "environment", "user", "u"],
    ],
    ["input as text", responses, { instructions: "s", input: "u" }, ["s", "u"]],
    [
      "blocks of the Anthropic API",
      messages,
      {
        system: [{ type: "text", text: "s" }],
        messages: [
          { role: "user", content: [{ type: "text", text: "u" }] },
          { role: "assistant", content: "a" },
        ],
      },
      ["s", "user", "u"],
    ],
    [
      "nothing without a message of the user",
      chat,
      { messages: [{ role: "system", content: "s" }] },
      [],
    ],
    ["nothing of a completion", "/v1/completions", { prompt: "p" }, []],
  ])("is %s", (_, ...[path, body, parts]) => {
    expect(openingOf(path, body)).toEqual(parts);
  });
});
