import { describe, expect, it } from "vitest";
import type { PromptPart } from "../../core/request.ts";
import { anthropicMessages } from "./dialects/anthropic-messages.ts";
import { chat } from "./dialects/chat.ts";
import { completions } from "./dialects/completions.ts";
import { conversations } from "./dialects/conversations.ts";
import { countTokens } from "./dialects/count-tokens.ts";
import { embeddings } from "./dialects/embeddings.ts";
import { images } from "./dialects/images.ts";
import type { JsonObject } from "./json/json-value.ts";
import type { DialectParser } from "./parser.ts";
import { responses } from "./dialects/responses.ts";
import { sglangGenerate } from "./dialects/sglang-generate.ts";
import { vllmGenerate } from "./dialects/vllm-generate.ts";

/** Parts as short strings: text unchanged, media as `<type reference>`, token ids as `#1,2`. */
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

/** A value that JSON.parse returns but JSON.stringify rejects: index keys make it recurse. */
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

  it("does not copy the list of token ids", () => {
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

describe("an image generations body", () => {
  it.each([
    [{ prompt: "a cat", n: 2 }, [["a cat"]]],
    [{}, []],
    [{ prompt: 5 }, "prompt: must be a string or an array"],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(images, body)).toEqual(expected);
  });
});

const nested = (depth: number): unknown =>
  JSON.parse('{"type":"tool_result","content":['.repeat(depth) + "]}".repeat(depth));

const said = (...content: unknown[]) => ({ messages: [{ role: "user", content }] });

describe("an Anthropic messages body", () => {
  it("reads tools, the system, then each message's role and blocks in order", () => {
    const messages = [
      { role: "user", content: "time?" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "redacted_thinking", data: "b64" },
          { type: "text", text: "wait", cache_control: { type: "ephemeral" } },
          { type: "tool_use", id: "t1", name: "now", input: { tz: 1 } },
        ],
      },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "t1", content: "noon", is_error: false }],
      },
    ];
    const body = { messages, system: "be brief", tools: [{ name: "now" }] };
    const prompt = [
      '[{"name":"now"}]',
      "be brief",
      "user",
      "time?",
      "assistant",
      "hm",
      "b64",
      "wait",
      "t1",
      "now",
      '{"tz":1}',
      "user",
      "t1",
      "noon",
    ];
    expect(promptsOf(anthropicMessages, body)).toEqual([prompt]);
    expect(promptsOf(countTokens, body)).toEqual([prompt]);
  });

  const image = { type: "base64", media_type: "image/png", data: "iVBO" };
  const [first, second] = ["http://a", "http://b"].map((url) => ({
    type: "image",
    source: { type: "url", url },
  }));

  it.each([
    ["hi", ["hi"]],
    [{ type: "text", text: "hi" }, ["hi"]],
    [{ type: "image", source: image }, ["<image iVBO>"]],
    [{ type: "image", source: { type: "url", url: "http://i" } }, ["<image http://i>"]],
    [{ type: "image", source: { type: "file", file_id: "f1" } }, ["<image f1>"]],
    [{ type: "image", source: "f1" }, ["<image >"]],
    [{ type: "document", source: { type: "base64", data: "JVBE" } }, ["<file JVBE>"]],
    [{ type: "document", source: { type: "url", url: "http://d" } }, ["<file http://d>"]],
    [
      { type: "document", title: "T", context: "C", source: { type: "text", data: "plain" } },
      ["T", "C", "plain"],
    ],
    [
      {
        type: "document",
        source: { type: "content", content: [{ type: "text", text: "a" }, first] },
      },
      ["a", "<image http://a>"],
    ],
    [{ type: "document", source: { type: "content", content: "a" } }, ["a"]],
    [{ type: "document" }, []],
    [{ type: "tool_use", id: "t", name: "f", input: "raw" }, ["t", "f", "raw"]],
    [{ type: "tool_use" }, []],
    [
      { type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "x" }, second] },
      ["t", "x", "<image http://b>"],
    ],
    [{ type: "tool_result", tool_use_id: "t" }, ["t"]],
    [{ type: "server_tool_use", id: "s" }, ['{"type":"server_tool_use","id":"s"}']],
  ])("reads the block %j", (block, expected) => {
    expect(promptsOf(anthropicMessages, said(block))).toEqual([["user", ...expected]]);
  });

  it("leaves out Claude Code's billing block, which differs in each request", () => {
    const attribution = { type: "text", text: "x-anthropic-billing-header: cch=1f;" };
    const text = { type: "text", text: "You are" };
    expect(promptsOf(anthropicMessages, { system: [attribution, text] })).toEqual([["You are"]]);
    expect(promptsOf(anthropicMessages, said(attribution))).toEqual([["user", attribution.text]]);
  });

  it.each([
    [{ system: 5 }, "system: must be a string or an array"],
    [{ system: [5] }, "system[0]: must be an object"],
    [{ messages: {} }, "messages: must be an array"],
    [{ messages: [1] }, "messages[0]: must be an object"],
    [{ messages: [{ role: 1 }] }, "messages[0].role: must be a string"],
    [{ messages: [{ content: 1 }] }, "messages[0].content: must be a string or an array"],
    [said(1), "messages[0].content[0]: must be an object"],
    [
      said({ type: "tool_result", content: 1 }),
      "messages[0].content[0].content: must be a string or an array",
    ],
    [
      said({ type: "tool_result", content: [1] }),
      "messages[0].content[0].content[0]: must be an object",
    ],
    [
      said({ type: "document", source: { type: "content", content: [1] } }),
      "messages[0].content[0].source.content[0]: must be an object",
    ],
    [
      said({ type: "tool_use", input: bottomless }),
      "messages[0].content[0].input: must be nested less deeply",
    ],
    [
      said({ type: "document", source: { type: "text", data: bottomless } }),
      "messages[0].content[0].source.data: must be nested less deeply",
    ],
    [{ tools: bottomless }, "tools: must be nested less deeply"],
  ])("says where body %# is unreadable", (body, problem) => {
    expect(promptsOf(anthropicMessages, body)).toBe(problem);
  });

  it("does not follow nested results without a limit", () => {
    const [[, ...parts] = []] = promptsOf(anthropicMessages, said(nested(2)));
    expect(parts).toEqual(['{"type":"tool_result","content":[]}']);
    const [[, ...deep] = []] = promptsOf(anthropicMessages, said(nested(100_000)));
    expect(deep).toHaveLength(1);
  });

  it("reads its output bound, which is 0 if tokens are only counted", () => {
    expect(outputTokensMaxOf(anthropicMessages, { max_tokens: 7 })).toBe(7);
    expect(outputTokensMaxOf(anthropicMessages, {})).toBeUndefined();
    expect(outputTokensMaxOf(countTokens, { max_tokens: 7 })).toBe(0);
  });
});

const range = (offset: unknown, length: unknown) => ({ offset, length });

describe("a vLLM generate body", () => {
  it.each([
    [{ token_ids: [1, 2, 3] }, [["#1,2,3"]]],
    [{ token_ids: [] }, [[]]],
    [{}, [[]]],
    [{ token_ids: null, features: 5 }, [[]]],
    [{ token_ids: "a" }, "token_ids: must be an array of token ids"],
    [{ token_ids: [1, -1] }, "token_ids[1]: must be a token id: an integer of 0 or more"],
    [{ token_ids: [[1]] }, "token_ids[0]: must be a token id: an integer of 0 or more"],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(vllmGenerate, body)).toEqual(expected);
  });

  it.each([
    [{ image: [range(1, 2)] }, ["#1", "<image h0>", "#4,5"]],
    [{ image: [range(3, 2), range(0, 1)] }, ["<image h1>", "#2,3", "<image h0>"]],
    [{ image: [range(0, 1)], audio: [range(1, 4)] }, ["<image h0>", "<audio >"]],
    // Placeholders at impossible positions are left out, and the tokens stay.
    [{ image: [range(0, 3), range(2, 2)] }, ["<image h0>", "#4,5"]],
    [{ image: [range(4, 2)] }, ["#1,2,3,4,5"]],
    [{ image: [range(-1, 2), range("0", 1), 7] }, ["#1,2,3,4,5"]],
    [{ image: 5 }, ["#1,2,3,4,5"]],
    [[], ["#1,2,3,4,5"]],
  ])("puts media in the place of the tokens at %j", (mm_placeholders, expected) => {
    const features = { mm_placeholders, mm_hashes: { image: ["h0", "h1"] } };
    expect(promptsOf(vllmGenerate, { token_ids: [1, 2, 3, 4, 5], features })).toEqual([expected]);
  });

  it("counts the given tokens, including placeholders of media", () => {
    const features = { mm_placeholders: { image: [range(0, 2)] } };
    expect(vllmGenerate.read({ token_ids: [1, 1, 2], features })).toMatchObject({
      promptTokens: 3,
    });
  });

  it.each([
    [{ sampling_params: { max_tokens: 16 } }, 16],
    [{ sampling_params: {}, max_tokens: 16 }, undefined],
    [{}, undefined],
  ])("reads the output bound of %j", (body, expected) => {
    expect(outputTokensMaxOf(vllmGenerate, body)).toBe(expected);
  });
});

describe("an SGLang generate body", () => {
  it.each([
    [{ text: "a" }, [["a"]]],
    [{ text: ["a", "b"] }, [["a"], ["b"]]],
    [{ input_ids: [1, 2] }, [["#1,2"]]],
    [{ input_ids: [[1], [2, 3]] }, [["#1"], ["#2,3"]]],
    [{ text: "a", input_ids: [1] }, [["#1"]]],
    [{ text: "a", input_ids: null }, [["a"]]],
    [{ input_embeds: [[0.5]] }, []],
    [{ text: 5 }, "text: must be a string or an array"],
    [{ input_ids: [[1], [-2]] }, "input_ids[1][0]: must be a token id: an integer of 0 or more"],
  ])("reads %j", (body, expected) => {
    expect(promptsOf(sglangGenerate, body)).toEqual(expected);
  });

  it.each([
    [{ text: "a", image_data: "u" }, [["<image u>", "a"]]],
    [{ text: "a", image_data: ["u", { url: "v" }] }, [["<image u>", "<image v>", "a"]]],
    [{ text: "a", image_data: [["u"]] }, [["<image u>", "a"]]],
    [{ input_ids: [1], audio_data: "u", video_data: "v" }, [["<video v>", "<audio u>", "#1"]]],
    [
      { text: ["a", "b"], image_data: "u" },
      [
        ["<image u>", "a"],
        ["<image u>", "b"],
      ],
    ],
    [{ text: ["a", "b"], image_data: ["u", null] }, [["<image u>", "a"], ["b"]]],
    [{ text: ["a", "b"], image_data: [["u", "v"]] }, [["<image u>", "<image v>", "a"], ["b"]]],
    [{ text: "a", image_data: [null, 5] }, [["a"]]],
  ])("reads the media of %j", (body, expected) => {
    expect(promptsOf(sglangGenerate, body)).toEqual(expected);
  });

  it.each([
    [{ lora_path: "a", model: "m" }, "a"],
    [{ lora_path: ["a", "a"] }, "a"],
    [{ lora_path: ["a", "b"] }, ""],
    [{ lora_path: ["a", null] }, ""],
    [{ lora_path: [null, "a"] }, ""],
    [{ lora_path: [null, null] }, undefined],
    [{ lora_path: [] }, undefined],
    [{ lora_path: null }, undefined],
    [{ lora_path: "" }, undefined],
    [{}, undefined],
  ])("takes the adapter of %j as the model", (body, expected) => {
    expect(sglangGenerate.read(body)).toMatchObject({ kind: "read", model: expected });
  });

  it.each([
    [{ max_new_tokens: 16 }, 16],
    [[{ max_new_tokens: 4 }, { max_new_tokens: 16 }, { max_new_tokens: 8 }], 16],
    [[{ max_new_tokens: 4 }, {}], undefined],
    [[], undefined],
    [null, undefined],
    [{}, undefined],
  ])("reads the output bound of the sampling parameters %j", (sampling_params, expected) => {
    expect(outputTokensMaxOf(sglangGenerate, { sampling_params })).toBe(expected);
  });
});
