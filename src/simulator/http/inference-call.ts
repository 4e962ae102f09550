import { isRecord, type JsonRecord } from "../json.ts";
import {
  chatTextOf,
  type Prompt,
  promptOfText,
  promptOfTokenIds,
  type PromptScope,
  toolCallTextOf,
} from "../tokenize.ts";
import { outputTextOf } from "./answer-text.ts";
import {
  type Messages,
  messagesOfAnthropic,
  messagesOfChat,
  messagesOfResponse,
  type StoredResponse,
} from "./conversation.ts";
import type { ErrorReply, ErrorShape } from "./replies.ts";
import { argumentPiecesOf, type ToolCall, toolCallFor } from "./tool-calls.ts";

/** `message`: Anthropic's API; `count`: its count of tokens, which the engine does not compute. */
export type InferenceApi = "chat" | "completion" | "embedding" | "response" | "message" | "count";

export function errorShapeOf(api: InferenceApi): ErrorShape {
  if (api === "message" || api === "count") return "anthropic";
  return api === "response" ? "responses" : "openai";
}

/** An inference request as the engine serves it, independent of its API. */
export interface InferenceCall {
  readonly api: InferenceApi;
  /** The name the client used, which answers repeat. */
  readonly model: string;
  /** The LoRA adapter; undefined for the base model. */
  readonly adapter: string | undefined;
  /** vLLM's field of the same name: lower runs first where the engine schedules by priority. */
  readonly priority: number;
  /** Fields of the request, some of which answers repeat. */
  readonly body: JsonRecord;
  /** The conversation that is answered; none for a completion or an embedding. */
  readonly messages: Messages;
  /** The call that the answer consists of; undefined for an answer of text. */
  readonly toolCall: ToolCall | undefined;
  /** One for a chat; a completion or an embedding may bring several. */
  readonly prompts: readonly Prompt[];
  /** Tokens to generate for each prompt. */
  readonly outputTokens: number;
  /** End of an output: the client's limit or the model's own end. */
  readonly finishReason: "length" | "stop" | "tool_calls";
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
  /** Omitted if nothing is stored. */
  readonly storedResponse?: (id: string) => StoredResponse | undefined;
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

/** Reads the fields of a request that a simulated engine acts on. */
export function parseCall(api: InferenceApi, body: JsonRecord, models: EngineModels): ParsedCall {
  const model = body["model"] ?? models.model;
  if (typeof model !== "string") return badField("model", "must be a string");
  if (model !== models.model && !models.adapters.includes(model)) {
    const message = `The model \`${model}\` does not exist.`;
    return { kind: "refused", error: { httpStatus: 404, message, param: "model" } };
  }
  const limitField = limitFieldOf(api, body);
  const limit = body[limitField] ?? undefined;
  if (limit === undefined && api === "message") return badField(limitField, "is required");
  if (limit !== undefined && !isCount(limit)) return badField(limitField, "must be at least 1");
  const priority = body["priority"] ?? 0;
  if (!isInteger(priority)) return badField("priority", "must be an integer");
  const dimensions = body["dimensions"] ?? dimensionsDefault;
  if (!isCount(dimensions) || dimensions > dimensionsMax) {
    return badField("dimensions", `must be from 1 to ${dimensionsMax}`);
  }
  const conversation = messagesOf(api, body, models);
  if (conversation.kind === "refused") return conversation;
  const { messages } = conversation;
  const answer = answerOf(api, body, { limit, usual: models.outputTokens, messages });
  const salt = typeof body["cache_salt"] === "string" ? `\n${body["cache_salt"]}` : "";
  const scope = { blockTokens: models.blockTokens, seed: `${model}${salt}`, answer: answer.text };
  const prompts = promptsOf(api, body, { ...scope, messages });
  if (prompts.kind === "refused") return prompts;
  const streamOptions = body["stream_options"];
  const call: InferenceCall = {
    api,
    model,
    adapter: model === models.model ? undefined : model,
    priority,
    body,
    messages,
    toolCall: answer.toolCall,
    prompts: prompts.prompts,
    outputTokens: answer.tokens,
    finishReason: answer.finishReason,
    isStream: streamingApis.has(api) && body["stream"] === true,
    includesUsage: isRecord(streamOptions) && streamOptions["include_usage"] === true,
    dimensions,
  };
  return { kind: "call", call };
}

const streamingApis: ReadonlySet<InferenceApi> = new Set([
  "chat",
  "completion",
  "response",
  "message",
]);

function limitFieldOf(api: InferenceApi, body: JsonRecord): string {
  if (api === "response") return "max_output_tokens";
  const isOlder = api === "message" || body["max_completion_tokens"] == null;
  return isOlder ? "max_tokens" : "max_completion_tokens";
}

interface PlannedAnswer {
  readonly tokens: number;
  /** As the next prompt of its conversation contains it. */
  readonly text: string;
  readonly toolCall: ToolCall | undefined;
  readonly finishReason: InferenceCall["finishReason"];
}

interface AnswerBounds {
  readonly limit: number | undefined;
  /** Tokens without a limit. */
  readonly usual: number;
  readonly messages: Messages;
}

/** A call of a tool that fits within the limit, or else text up to it. */
function answerOf(
  api: InferenceApi,
  body: JsonRecord,
  { limit, usual, messages }: AnswerBounds,
): PlannedAnswer {
  const toolCall =
    messages.length === 0 ? undefined : toolCallFor(body, messages.at(-1)?.["role"] === "tool");
  const callTokens = toolCall === undefined ? 0 : 1 + argumentPiecesOf(toolCall).length;
  if (toolCall !== undefined && callTokens <= (limit ?? Infinity)) {
    const text = toolCallTextOf(toolCall.name, toolCall.argumentsText);
    return { tokens: callTokens, text, toolCall, finishReason: "tool_calls" };
  }
  const tokens = api === "embedding" || api === "count" ? 0 : (limit ?? usual);
  const text = outputTextOf(Math.min(tokens, answerTokensHashedMax));
  const finishReason = limit === undefined ? "stop" : "length";
  return { tokens, text, toolCall: undefined, finishReason };
}

type Refused = Extract<ParsedCall, { readonly kind: "refused" }>;

/** The messages of an API that has any, none for the others. */
function messagesOf(
  api: InferenceApi,
  body: JsonRecord,
  models: EngineModels,
): { readonly kind: "messages"; readonly messages: Messages } | Refused {
  if (api === "completion" || api === "embedding") return { kind: "messages", messages: [] };
  if (api === "response") return messagesOfStored(body, models);
  const messages = api === "chat" ? messagesOfChat(body) : messagesOfAnthropic(body);
  return messages === undefined
    ? badField("messages", "must be a list of messages with a role")
    : { kind: "messages", messages };
}

function messagesOfStored(body: JsonRecord, models: EngineModels): ReturnType<typeof messagesOf> {
  const id = body["previous_response_id"] ?? "";
  if (typeof id !== "string") return badField("previous_response_id", "must be a string");
  const continued = id === "" ? undefined : models.storedResponse?.(id);
  if (id !== "" && continued === undefined) {
    return { kind: "refused", error: responseNotFound(id) };
  }
  if (body["background"] === true) return badField("background", "is not simulated");
  const messages = messagesOfResponse(body, continued);
  return messages === undefined
    ? badField("input", "must be a string or a list of items")
    : { kind: "messages", messages };
}

/** As vLLM words it. */
export function responseNotFound(id: string): ErrorReply {
  const message = `Response with id '${id}' not found.`;
  return { httpStatus: 404, message, param: "response_id" };
}

type ParsedPrompts = { readonly kind: "prompts"; readonly prompts: readonly Prompt[] } | Refused;

interface AnsweredScope extends PromptScope {
  /** The text that every prompt of the call gets as its answer. */
  readonly answer: string;
  readonly messages: Messages;
}

function promptsOf(api: InferenceApi, body: JsonRecord, scope: AnsweredScope): ParsedPrompts {
  if (scope.messages.length > 0) {
    const text = chatTextOf(scope.messages, body["tools"]);
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

function badField(param: string, problem: string): Refused {
  return { kind: "refused", error: { httpStatus: 400, message: `${param}: ${problem}`, param } };
}
