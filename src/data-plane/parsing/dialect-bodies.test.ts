import { describe, expect, it } from "vitest";
import type { PromptPart } from "../../core/request.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { conversations } from "./conversations.ts";
import { embeddings } from "./embeddings.ts";
import type { JsonObject } from "./json-value.ts";
import type { DialectParser } from "./parser.ts";
import { responses } from "./responses.ts";

/** Parts as short strings: text as it is, media as `<type reference>`, token ids as `#1,2`. */
function shown(part: PromptPart): string {
  if (part.kind === "text") return part.text;
  if (part.kind === "tokens") return `#${part.tokenIds.join(",")}`;
  return `<${part.mediaType} ${part.reference}>`;
}

function promptsOf(parser: DialectParser, body: JsonObject): string[][] | string {
  const reading = parser.read(body);
  if (reading.kind === "unreadable") return `${reading.problem.path}: ${reading.problem.rule}`;
  return reading.prompts.map((parts) => parts.map(shown));
}

function outputTokensMaxOf(parser: DialectParser, body: JsonObject): number | undefined {
  const reading = parser.read(body);
  return reading.kind === "read" ? reading.outputTokensMax : undefined;
}

/** A value that JSON.parse makes and JSON.stringify cannot take: index keys make it recurse. */
const bottomless: unknown = JSON.parse(`${'{"0":'.repeat(100_000)}1${"}".repeat(100_000)}`);

const user = (content: unknown) => ({ messages: [{ role: "user", content }] });

describe("a chat body", () => {
  it("reads tools, then each message's role, content, calls and the call it answers", () => {
    const tools = [{ type: "function", function: { name: "now" } }];
    const call = { id: "c1", type: "function", function: { name: "now", arguments: '{"tz":1}' } };
    const messages = [
      { role: "system", content: "be brief" },
      { role: "user", content: "time?" },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "noon" },
    ];
    expect(promptsOf(chat, { messages, tools })).toEqual([
      [
        '[{"type":"function","function":{"name":"now"}}]',
        "system",
        "be brief",
        "user",
        "time?",
        "assistant",
        "c1",
        "now",
        '{"tz":1}',
        "tool",
        "noon",
        "c1",
      ],
    ]);
  });

  it.each([
    [{ type: "text", text: "hi" }, "hi"],
    ["hi", "hi"],
    [{ type: "refusal", refusal: "no" }, "no"],
    [{ type: "image_url", image_url: { url: "http://i", detail: "low" } }, "<image http://i>"],
    [{ type: "image_url", image_url: "http://i" }, "<image http://i>"],
    [{ image_url: "http://i" }, "<image http://i>"],
    [{ type: "image_url", image_url: null, uuid: "u1" }, "<image u1>"],
    [{ type: "input_audio", input_audio: { data: "UklG", format: "wav" } }, "<audio UklG>"],
    [{ type: "audio_url", audio_url: { url: "http://a" } }, "<audio http://a>"],
    [{ type: "video_url", video_url: { url: "http://v" } }, "<video http://v>"],
    [{ type: "file", file: { file_id: "f1", filename: "a.pdf" } }, "<file f1>"],
    [{ type: "file", file: { filename: "a.pdf" } }, "<file >"],
    [{ type: "hologram", beams: 3 }, '{"type":"hologram","beams":3}'],
  ])("reads the content part %j", (part, expected) => {
    expect(promptsOf(chat, user([part]))).toEqual([["user", expected]]);
  });

  it("keeps parts in their order", () => {
    const parts = [{ type: "text", text: "a" }, { image_url: "u" }, { type: "text", text: "b" }];
    expect(promptsOf(chat, user(parts))).toEqual([["user", "a", "<image u>", "b"]]);
  });

  it.each([
    [{ function: { name: "f", arguments: { a: 1 } } }, ["f", '{"a":1}']],
    [{ id: "c", custom: { input: "x" } }, ['{"id":"c","custom":{"input":"x"}}']],
    ["odd", ["odd"]],
  ])("reads the tool call %j", (call, expected) => {
    const messages = [{ role: "assistant", tool_calls: [call] }];
    expect(promptsOf(chat, { messages })).toEqual([["assistant", ...expected]]);
  });

  it.each([{}, { messages: null }, { messages: [] }, { messages: [], tools: [] }, { tools: null }])(
    "reads an empty prompt in %j",
    (body) => {
      expect(promptsOf(chat, body)).toEqual([[]]);
    },
  );

  it.each([
    [{ messages: "hi" }, "messages: must be an array"],
    [{ messages: [{}, "hi"] }, "messages[1]: must be an object"],
    [{ messages: [{ role: 1 }] }, "messages[0].role: must be a string"],
    [{ messages: [{}, {}, { content: 7 }] }, "messages[2].content: must be a string or an array"],
    [user([{ type: "text", text: "a" }, 7]), "messages[0].content[1]: must be an object"],
    [user([[]]), "messages[0].content[0]: must be an object"],
    [user([bottomless]), "messages[0].content[0]: must be nested less deeply"],
    [{ tools: bottomless }, "tools: must be nested less deeply"],
    [
      { messages: [{ tool_calls: [1, bottomless] }] },
      "messages[0].tool_calls[1]: must be nested less deeply",
    ],
  ])("says where body %# is unreadable", (body, problem) => {
    expect(promptsOf(chat, body)).toBe(problem);
  });

  it.each([
    [{ max_completion_tokens: 5, max_tokens: 9 }, 5],
    [{ max_completion_tokens: null, max_tokens: 9 }, 9],
    [{ max_tokens: 0 }, 0],
    [{ max_tokens: -1 }, undefined],
    [{ max_tokens: 1.5 }, undefined],
    [{ max_tokens: "9" }, undefined],
    [{}, undefined],
  ])("reads the output bound of %j", (body, expected) => {
    expect(outputTokensMaxOf(chat, body)).toBe(expected);
  });
});

describe("a completions body", () => {
  it.each([
    ["once", [["once"]]],
    [
      ["a", "b"],
      [["a"], ["b"]],
    ],
    [[1, 2, 3], [["#1,2,3"]]],
    [
      [[1, 2], [3]],
      [["#1,2"], ["#3"]],
    ],
    [
      ["a", [3]],
      [["a"], ["#3"]],
    ],
    [[], []],
    ["", [[]]],
    [null, []],
    [undefined, []],
  ])("reads the prompt %j", (prompt, expected) => {
    expect(promptsOf(completions, { prompt })).toEqual(expected);
  });

  it("puts the suffix after every prompt", () => {
    expect(promptsOf(completions, { prompt: ["a", [1]], suffix: "z" })).toEqual([
      ["a", "z"],
      ["#1", "z"],
    ]);
  });

  it("keeps the list of token ids it was given", () => {
    const prompt = [1, 2];
    const reading = completions.read({ prompt });
    const part = reading.kind === "read" ? reading.prompts[0]?.[0] : undefined;
    expect(part?.kind === "tokens" && part.tokenIds).toBe(prompt);
  });

  it.each([
    [5, "prompt: must be a string or an array"],
    [[true], "prompt[0]: must be a string or an array"],
    [["a", null], "prompt[1]: must be a string or an array"],
    [[1, "a"], "prompt[1]: must be a token id: an integer of 0 or more"],
    [[[1], [2, -1]], "prompt[1][1]: must be a token id: an integer of 0 or more"],
    [[0.5], "prompt[0]: must be a token id: an integer of 0 or more"],
  ])("says where the prompt %j is unreadable", (prompt, problem) => {
    expect(promptsOf(completions, { prompt })).toBe(problem);
  });

  it("reads its output bound", () => {
    expect(outputTokensMaxOf(completions, { max_tokens: 16 })).toBe(16);
  });
});

describe("an embeddings body", () => {
  it.each([
    [{ input: "a" }, [["a"]]],
    [{ input: ["a", "b"] }, [["a"], ["b"]]],
    [{ input: [[1], [2]] }, [["#1"], ["#2"]]],
    [{ input: [{ text: "a" }, { image: "u" }] }, [["a"], ["<image u>"]]],
    [user("a"), [["user", "a"]]],
    [{}, []],
    [{ input: [true] }, "input[0]: must be a string or an array"],
    [{ messages: [1] }, "messages[0]: must be an object"],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(embeddings, body)).toEqual(expected);
  });

  it("has no output bound", () => {
    expect(outputTokensMaxOf(embeddings, { max_tokens: 5 })).toBeUndefined();
  });
});

describe("a responses body", () => {
  it("reads instructions, tools, then items in order", () => {
    const input = [
      { role: "user", content: "hi" },
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "see" },
          { type: "input_image", image_url: "http://i" },
          { type: "input_image", file_id: "f1" },
          { type: "input_file", file_url: "http://f" },
        ],
      },
      { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "hm" }] },
      { type: "function_call", call_id: "c1", name: "now", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "noon" },
      { type: "function_call_output", call_id: "c2", output: [{ type: "input_text", text: "x" }] },
      { type: "item_reference", id: "m1" },
      "loose",
    ];
    const body = { input, tools: [{ type: "web_search" }], instructions: "be brief" };
    expect(promptsOf(responses, body)).toEqual([
      [
        "be brief",
        '[{"type":"web_search"}]',
        "user",
        "hi",
        "user",
        "see",
        "<image http://i>",
        "<image f1>",
        "<file http://f>",
        "hm",
        "c1",
        "now",
        "{}",
        "c1",
        "noon",
        "c2",
        "x",
        '{"type":"item_reference","id":"m1"}',
        "loose",
      ],
    ]);
  });

  it.each([
    [{ input: "hi" }, [["hi"]]],
    [{}, [[]]],
    [{ input: 5 }, "input: must be a string or an array"],
    [{ input: {} }, "input: must be a string or an array"],
    [{ input: [1] }, "input[0]: must be an object"],
    [{ input: [{ content: 1 }] }, "input[0].content: must be a string or an array"],
    [
      { input: [{ type: "function_call_output", output: [1] }] },
      "input[0].output[0]: must be an object",
    ],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(responses, body)).toEqual(expected);
  });

  it("reads its output bound", () => {
    expect(outputTokensMaxOf(responses, { max_output_tokens: 7, max_tokens: 9 })).toBe(7);
  });
});

describe("a conversations body", () => {
  it.each([
    [{ items: [{ type: "message", role: "user", content: "hi" }] }, [["user", "hi"]]],
    [{ metadata: {} }, [[]]],
    [{ items: [false] }, "items[0]: must be an object"],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(conversations, body)).toEqual(expected);
  });
});
