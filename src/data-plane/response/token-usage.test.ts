import { describe, expect, it } from "vitest";
import { tokenUsageOf } from "./token-usage.ts";

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
    // Anthropic's input excludes the cache: 5 + 3 read + 1 written.
    [
      {
        input_tokens: 5,
        cache_read_input_tokens: 3,
        cache_creation_input_tokens: 1,
        output_tokens: 2,
      },
      usage(9, 2, 3),
    ],
    [
      {
        input_tokens: 9,
        output_tokens: 2,
        cache_read_input_tokens: null,
        cache_creation_input_tokens: null,
      },
      usage(9, 2),
    ],
    // OpenAI's count has the whole prompt, whatever else is there.
    [{ prompt_tokens: 9, completion_tokens: 2, cache_read_input_tokens: 3 }, usage(9, 2, 3)],
    [{ prompt_tokens: 9, completion_tokens: 2, cached_tokens: 3, id: "r" }, usage(9, 2, 3)],
    // More cached tokens than prompt tokens are invalid; the other counts are used.
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
    { input_tokens: 5, output_tokens: 2, cache_read_input_tokens: "3" },
    { input_tokens: 5, output_tokens: 2, cache_creation_input_tokens: -1 },
    { output_tokens: 2, cache_read_input_tokens: 3 },
  ])("reads no usage from %j", (value) => {
    expect(tokenUsageOf(value)).toBeUndefined();
  });
});
