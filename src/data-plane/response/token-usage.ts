import type { TokenUsage } from "../../core/usage.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";

/**
 * Reads token counts under the names of OpenAI (`prompt_tokens`, `completion_tokens`), of its Responses API and of
 * Anthropic (`input_tokens`, `output_tokens`), or of SGLang, which also has `cached_tokens`. Anthropic's input excludes
 * tokens read from and written to its cache, so both are added. Embeddings have no output tokens. If the prompt or
 * output count is invalid, there is no usage.
 */
export function tokenUsageOf(usage: unknown): TokenUsage | undefined {
  if (!isJsonObject(usage)) return undefined;
  const promptTokens = promptTokensOf(usage);
  const outputTokens = usage["completion_tokens"] ?? usage["output_tokens"] ?? 0;
  if (promptTokens === undefined || !isCount(outputTokens)) return undefined;
  const details = usage["prompt_tokens_details"] ?? usage["input_tokens_details"];
  const cached =
    (isJsonObject(details) ? details["cached_tokens"] : undefined) ??
    usage["cached_tokens"] ??
    usage["cache_read_input_tokens"];
  const cachedTokens = isCount(cached) && cached <= promptTokens ? cached : undefined;
  return { promptTokens, outputTokens, cachedTokens };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === "number" && value >= 0;
}

function promptTokensOf(usage: JsonObject): number | undefined {
  const promptTokens = usage["prompt_tokens"] ?? usage["input_tokens"];
  if (!isCount(promptTokens)) return undefined;
  // OpenAI's count includes the whole prompt, even if a proxy adds Anthropic's names to it.
  if (isCount(usage["prompt_tokens"])) return promptTokens;
  const read = usage["cache_read_input_tokens"] ?? 0;
  const written = usage["cache_creation_input_tokens"] ?? 0;
  return isCount(read) && isCount(written) ? promptTokens + read + written : undefined;
}
