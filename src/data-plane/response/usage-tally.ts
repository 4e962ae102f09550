import type { TokenUsage } from "../../core/usage.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";
import { tokenUsageOf } from "./token-usage.ts";

/** Maximum prompts of one request with separate usage; a larger batch has no usage instead of a wrong one. */
const promptsMax = 1_024;

/** Maximum length of an id. SGLang's ids have 32 characters and, in a batch, a number. */
const idLengthMax = 128;

/** Counts of Anthropic's first event, all or some of which the last event repeats. */
const anthropicCounts = [
  "input_tokens",
  "cache_read_input_tokens",
  "cache_creation_input_tokens",
  "output_tokens",
];

/**
 * Collects the token usage of one response from all places where engines report it. The last valid one is used, because
 * running totals in every chunk are common.
 */
export class UsageTally {
  #usage: TokenUsage | undefined;
  /** Counts of the first event of an Anthropic message. */
  #begun: JsonObject | undefined;
  /** SGLang reports usage separately for each prompt of a batch. */
  readonly #byPrompt = new Map<string, TokenUsage>();
  #hasTooManyPrompts = false;

  get usage(): TokenUsage | undefined {
    if (this.#hasTooManyPrompts) return undefined;
    return this.#byPrompt.size === 0 ? this.#usage : sumOf([...this.#byPrompt.values()]);
  }

  /**
   * Takes one document: OpenAI bodies and chunks and Anthropic's last event have usage at `usage`, Anthropic's first
   * event at `message.usage`, events of the Responses API at `response.usage`.
   */
  takeDocument(document: JsonObject): void {
    const { usage, message, response } = document;
    if (isJsonObject(message) && isJsonObject(message["usage"])) this.#begin(message["usage"]);
    this.#keep(tokenUsageOf(isJsonObject(usage) ? this.#completed(usage) : undefined));
    if (isJsonObject(response)) this.#keep(tokenUsageOf(response["usage"]));
  }

  /** Takes SGLang's usage of one prompt, which is identified by its id, or else by `prompt`. */
  takeMetaInfo(metaInfo: unknown, prompt: string): void {
    const usage = tokenUsageOf(metaInfo);
    if (usage === undefined || !isJsonObject(metaInfo)) return;
    const id = metaInfo["id"];
    this.#byPrompt.set(typeof id === "string" ? id.slice(0, idLengthMax) : prompt, usage);
    if (this.#byPrompt.size <= promptsMax) return;
    this.#hasTooManyPrompts = true;
    this.#byPrompt.clear();
  }

  #begin(usage: JsonObject): void {
    const trusted = tokenUsageOf(usage);
    if (trusted === undefined) return;
    this.#usage = trusted;
    this.#begun = Object.fromEntries(anthropicCounts.map((name) => [name, usage[name]]));
  }

  #keep(usage: TokenUsage | undefined): void {
    if (usage !== undefined) this.#usage = usage;
  }

  #completed(usage: JsonObject): JsonObject {
    return this.#begun === undefined ? usage : { ...this.#begun, ...withoutNulls(usage) };
  }
}

function withoutNulls(usage: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null));
}

function sumOf(usages: readonly TokenUsage[]): TokenUsage {
  const sum = (count: (usage: TokenUsage) => number) =>
    usages.reduce((total, usage) => total + count(usage), 0);
  return {
    promptTokens: sum(({ promptTokens }) => promptTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    // The sum is unknown if the count of one prompt is.
    cachedTokens: usages.every(({ cachedTokens }) => cachedTokens !== undefined)
      ? sum(({ cachedTokens = 0 }) => cachedTokens)
      : undefined,
  };
}
