import type { TokenUsage } from "../../core/usage.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";
import { tokenUsageOf } from "./token-usage.ts";

/** Prompts of one request that are told apart; a longer batch has no usage rather than a wrong one. */
const promptsMax = 1_024;

/** SGLang's ids have 32 characters and, in a batch, a number. */
const idLengthMax = 128;

/** What Anthropic's first event tells, and the last one tells again in part or whole. */
const anthropicCounts = [
  "input_tokens",
  "cache_read_input_tokens",
  "cache_creation_input_tokens",
  "output_tokens",
];

/**
 * The token usage of one response out of all the places in which an engine tells it. The last one
 * to trust counts: running totals in every chunk are normal.
 */
export class UsageTally {
  #usage: TokenUsage | undefined;
  /** Counts of an Anthropic message that has begun. */
  #begun: JsonObject | undefined;
  /** SGLang tells the usage of each prompt of a batch by itself. */
  readonly #byPrompt = new Map<string, TokenUsage>();
  #hasTooManyPrompts = false;

  get usage(): TokenUsage | undefined {
    if (this.#hasTooManyPrompts) return undefined;
    return this.#byPrompt.size === 0 ? this.#usage : sumOf([...this.#byPrompt.values()]);
  }

  /**
   * Takes one document: an OpenAI body or chunk and Anthropic's last event have usage at `usage`,
   * Anthropic's first event at `message.usage`, an event of the Responses API at `response.usage`.
   */
  takeDocument(document: JsonObject): void {
    const { usage, message, response } = document;
    if (isJsonObject(message) && isJsonObject(message["usage"])) this.#begin(message["usage"]);
    this.#keep(tokenUsageOf(isJsonObject(usage) ? this.#completed(usage) : undefined));
    if (isJsonObject(response)) this.#keep(tokenUsageOf(response["usage"]));
  }

  /** Takes what SGLang tells of one prompt, which its id or else `prompt` tells from the others. */
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
    // Where one prompt's is not known, neither is that of all.
    cachedTokens: usages.every(({ cachedTokens }) => cachedTokens !== undefined)
      ? sum(({ cachedTokens = 0 }) => cachedTokens)
      : undefined,
  };
}
