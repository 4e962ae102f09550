import { isRecord, type JsonRecord } from "../json.ts";
import {
  chatTextOf,
  type Prompt,
  promptOfText,
  promptOfTokenIds,
  type PromptScope,
} from "../tokenize.ts";
import { outputTextOf } from "./answer-text.ts";
import type { ErrorReply } from "./replies.ts";

export type InferenceApi = "chat" | "completion" | "embedding";

/** An inference request as the engine serves it, independent of its API. */
export interface InferenceCall {
  readonly api: InferenceApi;
  /** The name the client used, which answers repeat. */
  readonly model: string;
  /** The LoRA adapter; undefined for the base model. */
  readonly adapter: string | undefined;
  /** vLLM's field of the same name: lower runs first where the engine schedules by priority. */
  readonly priority: number;
  /** One for a chat; a completion or an embedding may bring several. */
  readonly prompts: readonly Prompt[];
  /** Tokens to generate for each prompt. */
  readonly outputTokens: number;
  /** End of an output: the client's limit or the model's own end. */
  readonly finishReason: "length" | "stop";
  readonly isStream: boolean;
  /** True if a stream ends with an event that carries the usage. */
  readonly includesUsage: boolean;
  /** Numbers in an embedding. */
  readonly dimensions: number;
}

export interface EngineModels {
  readonly model: string;
  readonly adapters: readonly string[];
  readonly blockTokens: number;
  /** Tokens generated for a client that sets no limit. */
  readonly outputTokens: number;
}

export type ParsedCall =
  | { readonly kind: "call"; readonly call: InferenceCall }
  | { readonly kind: "refused"; readonly error: ErrorReply };

/** Prompts in one request; beyond it the request is refused. */
const promptsMax = 2_048;
/** Tokens of an answer whose blocks a later prompt can hit; hashing more would cost each request. */
const answerTokensHashedMax = 16_384;
const dimensionsDefault = 8;
const dimensionsMax = 4_096;

/** Reads the fields of an OpenAI request that a simulated engine acts on. */
export function parseCall(api: InferenceApi, body: JsonRecord, models: EngineModels): ParsedCall {
  const model = body["model"] ?? models.model;
  if (typeof model !== "string") return badField("model", "must be a string");
  if (model !== models.model && !models.adapters.includes(model)) {
    const message = `The model \`${model}\` does not exist.`;
    return { kind: "refused", error: { httpStatus: 404, message, param: "model" } };
  }
  const limitField = body["max_completion_tokens"] == null ? "max_tokens" : "max_completion_tokens";
  const limit = body[limitField] ?? undefined;
  if (limit !== undefined && !isCount(limit)) return badField(limitField, "must be at least 1");
  const outputTokens = api === "embedding" ? 0 : (limit ?? models.outputTokens);
  const priority = body["priority"] ?? 0;
  if (!isInteger(priority)) return badField("priority", "must be an integer");
  const salt = typeof body["cache_salt"] === "string" ? `\n${body["cache_salt"]}` : "";
  const prompts = promptsOf(api, body, {
    blockTokens: models.blockTokens,
    seed: `${model}${salt}`,
    answer: outputTextOf(Math.min(outputTokens, answerTokensHashedMax)),
  });
  if (prompts.kind === "refused") return prompts;

  const dimensions = body["dimensions"] ?? dimensionsDefault;
  if (!isCount(dimensions) || dimensions > dimensionsMax) {
    return badField("dimensions", `must be from 1 to ${dimensionsMax}`);
  }
  const streamOptions = body["stream_options"];
  const call: InferenceCall = {
    api,
    model,
    adapter: model === models.model ? undefined : model,
    priority,
    prompts: prompts.prompts,
    outputTokens,
    finishReason: limit === undefined ? "stop" : "length",
    isStream: api !== "embedding" && body["stream"] === true,
    includesUsage: isRecord(streamOptions) && streamOptions["include_usage"] === true,
    dimensions,
  };
  return { kind: "call", call };
}

type ParsedPrompts =
  | { readonly kind: "prompts"; readonly prompts: readonly Prompt[] }
  | Extract<ParsedCall, { readonly kind: "refused" }>;

interface AnsweredScope extends PromptScope {
  /** The text that every prompt of the call gets as its answer. */
  readonly answer: string;
}

function promptsOf(api: InferenceApi, body: JsonRecord, scope: AnsweredScope): ParsedPrompts {
  if (api === "chat") {
    const messages: unknown = body["messages"];
    const isChat = Array.isArray(messages) && messages.length > 0 && messages.every(isMessage);
    if (!isChat) return badField("messages", "must be a list of messages with a role");
    const text = chatTextOf(messages, body["tools"]);
    return { kind: "prompts", prompts: [promptOfText(text, scope, scope.answer)] };
  }
  const field = api === "completion" ? "prompt" : "input";
  const inputs = promptInputsOf(body[field]);
  if (inputs === undefined || inputs.length === 0) {
    return badField(field, "must be a string, a list of token ids, or a list of either");
  }
  if (inputs.length > promptsMax) {
    return badField(field, `must have no more than ${promptsMax} entries`);
  }
  const prompts = inputs.map((input) =>
    typeof input === "string"
      ? promptOfText(input, scope, scope.answer)
      : promptOfTokenIds(input, scope),
  );
  return { kind: "prompts", prompts };
}

function isMessage(message: unknown): boolean {
  return isRecord(message) && typeof message["role"] === "string";
}

function promptInputsOf(value: unknown): readonly (string | readonly number[])[] | undefined {
  if (typeof value === "string" || isTokenIds(value)) return [value];
  if (!Array.isArray(value)) return undefined;
  const inputs: (string | readonly number[])[] = [];
  for (const entry of value) {
    if (typeof entry !== "string" && !isTokenIds(entry)) return undefined;
    inputs.push(entry);
  }
  return inputs;
}

function isTokenIds(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));
}

function isCount(value: unknown): value is number {
  return isInteger(value) && value >= 1;
}

function isInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

function badField(
  param: string,
  problem: string,
): Extract<ParsedCall, { readonly kind: "refused" }> {
  return { kind: "refused", error: { httpStatus: 400, message: `${param}: ${problem}`, param } };
}
