import type { TokenUsage } from "../../core/usage.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The usage in one JSON document of a response: an OpenAI body or chunk has it at `usage`, an
 * event of the Responses API at `response.usage`; undefined where there is none to trust.
 */
export function usageInDocument(document: unknown): TokenUsage | undefined {
  if (!isJsonObject(document)) return undefined;
  const response = document["response"];
  return (
    tokenUsageOf(document["usage"]) ??
    (isJsonObject(response) ? tokenUsageOf(response["usage"]) : undefined)
  );
}

/**
 * Token counts in OpenAI's older names (`prompt_tokens`, `completion_tokens`) or those of the
 * Responses API (`input_tokens`, `output_tokens`). Embeddings have no output to count. A count
 * that is there and is none discredits the others.
 */
export function tokenUsageOf(usage: unknown): TokenUsage | undefined {
  if (!isJsonObject(usage)) return undefined;
  const promptTokens = usage["prompt_tokens"] ?? usage["input_tokens"];
  const outputTokens = usage["completion_tokens"] ?? usage["output_tokens"] ?? 0;
  if (!isCount(promptTokens) || !isCount(outputTokens)) return undefined;
  const details = usage["prompt_tokens_details"] ?? usage["input_tokens_details"];
  const cached = isJsonObject(details) ? details["cached_tokens"] : undefined;
  const cachedTokens = isCount(cached) && cached <= promptTokens ? cached : undefined;
  return { promptTokens, outputTokens, cachedTokens };
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === "number" && value >= 0;
}
