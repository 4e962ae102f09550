import { describe, expect, it } from "vitest";
import type { TokenUsage } from "../../core/usage.ts";
import type { JsonObject } from "./json-object.ts";
import { UsageTally } from "./usage-tally.ts";

const usage = (promptTokens: number, outputTokens: number, cachedTokens?: number) => ({
  promptTokens,
  outputTokens,
  cachedTokens,
});

function usageAfter(documents: readonly JsonObject[]): TokenUsage | undefined {
  const tally = new UsageTally();
  for (const document of documents) tally.takeDocument(document);
  return tally.usage;
}

const begun = { input_tokens: 5, cache_read_input_tokens: 3, output_tokens: 1 };

const metaInfo = (id: unknown, promptTokens: number, cachedTokens?: number) => ({
  id,
  prompt_tokens: promptTokens,
  completion_tokens: 2,
  cached_tokens: cachedTokens,
});

describe("UsageTally", () => {
  const counts = { input_tokens: 4, output_tokens: 1 };

  it.each([
    { usage: counts },
    { usage: null, response: { usage: counts } },
    { type: "response.completed", response: { usage: counts } },
    { type: "message_start", message: { usage: counts } },
  ])("finds usage in %j", (document) => {
    expect(usageAfter([document])).toEqual(usage(4, 1));
  });

  it.each([
    {},
    { response: null, message: null },
    { response: { usage: null }, message: { usage: null } },
    { choices: [counts] },
    { message: { content: counts } },
    { usage: { output_tokens: 1 } },
  ])("finds none in %j", (document) => {
    expect(usageAfter([document])).toBeUndefined();
  });

  it.each<[string, JsonObject, TokenUsage]>([
    ["nothing", {}, usage(8, 1, 3)],
    ["the output", { usage: { output_tokens: 9 } }, usage(8, 9, 3)],
    ["the input and the output", { usage: { input_tokens: 6, output_tokens: 9 } }, usage(9, 9, 3)],
    ["nulls", { usage: { input_tokens: null, output_tokens: 9 } }, usage(8, 9, 3)],
    ["all counts", { usage: { ...begun, output_tokens: 9 } }, usage(8, 9, 3)],
    ["garbage", { usage: { output_tokens: "9" } }, usage(8, 1, 3)],
    ["no object", { usage: 9 }, usage(8, 1, 3)],
  ])("completes the counts of Anthropic's last event, which has %s", (_, document, expected) => {
    expect(usageAfter([{ message: { usage: begun } }, document])).toEqual(expected);
  });

  it("ignores a first event with invalid counts", () => {
    const message = { usage: { input_tokens: 5, cache_read_input_tokens: "3" } };
    expect(usageAfter([{ message }, { usage: { output_tokens: 9 } }])).toBeUndefined();
    const last = { usage: { input_tokens: 6, output_tokens: 9 } };
    expect(usageAfter([{ message }, last])).toEqual(usage(6, 9));
  });

  it("adds up the last usage of each of SGLang's prompts", () => {
    const tally = new UsageTally();
    tally.takeMetaInfo(metaInfo("a", 1, 0), "");
    expect(tally.usage).toEqual(usage(1, 2, 0));
    tally.takeMetaInfo(metaInfo("a", 8, 4), "");
    tally.takeMetaInfo(metaInfo("b", 1, 1), "");
    expect(tally.usage).toEqual(usage(9, 4, 5));
    tally.takeMetaInfo({ prompt_tokens: "1", id: "b" }, "");
    tally.takeMetaInfo(undefined, "");
    expect(tally.usage).toEqual(usage(9, 4, 5));
    tally.takeMetaInfo(metaInfo("c", 1), "");
    expect(tally.usage).toEqual(usage(10, 6));
  });

  it("separates prompts without an id by their given name", () => {
    const tally = new UsageTally();
    tally.takeMetaInfo(metaInfo(undefined, 1), "1");
    tally.takeMetaInfo(metaInfo(7, 2), "2");
    tally.takeMetaInfo(metaInfo(7, 3), "2");
    expect(tally.usage).toEqual(usage(4, 4));
  });

  it("has no usage for more prompts than the maximum", () => {
    const tally = new UsageTally();
    for (let id = 0; id < 1_024; id += 1) tally.takeMetaInfo(metaInfo(String(id), 1), "");
    expect(tally.usage).toEqual(usage(1_024, 2_048));
    tally.takeMetaInfo(metaInfo("one more", 1), "");
    expect(tally.usage).toBeUndefined();
    tally.takeMetaInfo(metaInfo("0", 1), "");
    expect(tally.usage).toBeUndefined();
  });
});
