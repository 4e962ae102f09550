import { describe, expect, it } from "vitest";
import { tokenUsageOf, usageInDocument } from "./token-usage.ts";

const usage = (promptTokens: number, outputTokens: number, cachedTokens?: number) => ({
  promptTokens,
  outputTokens,
  cachedTokens,
});

describe("tokenUsageOf", () => {
  it.each([
    [{ prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }, usage(9, 2)],
    [
      { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } },
      usage(9, 2, 8),
    ],
    [{ prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: null }, usage(9, 2)],
    [
      { input_tokens: 9, output_tokens: 2, input_tokens_details: { cached_tokens: 0 } },
      usage(9, 2, 0),
    ],
    [{ prompt_tokens: 9, total_tokens: 9 }, usage(9, 0)],
    [{ prompt_tokens: 0, completion_tokens: null }, usage(0, 0)],
    // More cached than sent cannot be; the other counts stand.
    [
      { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 10 } },
      usage(9, 2),
    ],
    [
      { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: "8" } },
      usage(9, 2),
    ],
  ])("reads %j", (value, expected) => {
    expect(tokenUsageOf(value)).toEqual(expected);
  });

  it.each([
    null,
    7,
    [],
    {},
    { completion_tokens: 2 },
    { prompt_tokens: -1, completion_tokens: 2 },
    { prompt_tokens: 9, completion_tokens: "2" },
    { prompt_tokens: 9.5, completion_tokens: 2 },
    { prompt_tokens: Number.NaN, completion_tokens: 2 },
    { prompt_tokens: 1e300, completion_tokens: 2 },
  ])("trusts nothing in %j", (value) => {
    expect(tokenUsageOf(value)).toBeUndefined();
  });
});

describe("usageInDocument", () => {
  const counts = { input_tokens: 4, output_tokens: 1 };

  it.each([
    { usage: counts },
    { usage: null, response: { usage: counts } },
    { type: "response.completed", response: { usage: counts } },
  ])("finds usage in %j", (document) => {
    expect(usageInDocument(document)).toEqual(usage(4, 1));
  });

  it.each([null, [], { response: null }, { response: { usage: null } }, { choices: [counts] }])(
    "finds none in %j",
    (document) => {
      expect(usageInDocument(document)).toBeUndefined();
    },
  );
});
