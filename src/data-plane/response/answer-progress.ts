import { isJsonObject, type JsonObject } from "./json-object.ts";

/** Members of a delta that do not come from the model. */
const notGenerated: ReadonlySet<string> = new Set([
  "role",
  "type",
  "index",
  "id",
  "name",
  "object",
]);

/** Members of an event with metadata of the response. */
const asideTypes: ReadonlySet<string> = new Set([
  ...notGenerated,
  "usage",
  "choices",
  "created",
  "model",
  "system_fingerprint",
  "service_tier",
]);

/** Members of an event without choices that have output of the model. */
const generated = [
  "text",
  "content",
  "response",
  "delta",
  "text_output",
  "generated_text",
  "output_ids",
  "tokens",
  "token_ids",
  "token",
];

const keepAlives: ReadonlySet<string> = new Set([
  "ping",
  "heartbeat",
  "keepalive",
  "keep_alive",
  "keep-alive",
]);

/** Types of events without output: of Anthropic's API, and keep-alives of several. */
const quietTypes: ReadonlySet<string> = new Set([
  ...keepAlives,
  "message_start",
  "message_delta",
  "message_stop",
  "content_block_stop",
  "error",
]);

/** Types of final events, of the Responses, messages, audio and image APIs. */
const finalTypes: ReadonlySet<string> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.cancelled",
  "message_stop",
  "transcript.text.done",
  "speech.audio.done",
  "image_generation.completed",
  "image_edit.completed",
]);

/** True if the name of an event shows that it has no output. */
export function isQuietName(name: string): boolean {
  return quietTypes.has(name);
}

/**
 * True if an event of a stream has output of the model: text, reasoning, a refusal, a tool call, audio or token ids.
 * Roles, empty deltas, usage and keep-alives do not count. An event of an unknown dialect counts, so that its stream
 * has a first token.
 */
export function hasToken(event: JsonObject): boolean {
  const { choices, type, meta_info: metaInfo } = event;
  if (Array.isArray(choices)) return choices.some((choice) => hasTokenInChoice(choice));
  if (isJsonObject(metaInfo) && typeof metaInfo["completion_tokens"] === "number") {
    return metaInfo["completion_tokens"] > 0 || generated.some((name) => isFilled(event[name]));
  }
  if (typeof type === "string") return hasTokenInTyped(type, event);
  // The chat of Ollama.
  if (isJsonObject(event["message"])) return hasGenerated(event["message"]);
  const known = generated.filter((name) => name in event);
  if (known.length > 0) return known.some((name) => isFilled(event[name]));
  return Object.keys(event).some((name) => !asideTypes.has(name));
}

/** True if an event may be the final one of its API, by a finish reason or by its type. */
export function isFinal(event: JsonObject): boolean {
  const { choices, type, delta, meta_info: metaInfo, usage } = event;
  if (Array.isArray(choices)) {
    // If the client asked for usage, it arrives in a separate event after the last choice has finished.
    if (choices.length === 0) return isJsonObject(usage);
    return choices.every((choice) => isJsonObject(choice) && isFilled(choice["finish_reason"]));
  }
  if (isJsonObject(metaInfo)) return isFilled(metaInfo["finish_reason"]);
  if (type === "message_delta") return isJsonObject(delta) && isFilled(delta["stop_reason"]);
  if (typeof type === "string") return finalTypes.has(type);
  // The whole text of Text Generation Inference; the flags of llama.cpp and Ollama.
  const isDone = typeof event["generated_text"] === "string" || event["stop"] === true;
  return isDone || event["done"] === true || isFilled(event["finish_reason"]);
}

/** True if an event has no part of the response, so that the event before it may have been final. */
export function isAside({ choices, type }: JsonObject): boolean {
  if (Array.isArray(choices)) return choices.length === 0;
  return typeof type === "string" && keepAlives.has(type);
}

/** True if the type of an event shows that it is final. */
export function isFinalType(type: string): boolean {
  return finalTypes.has(type);
}

/** The type of an event by its beginning, if `type` is its first member. */
export function typeIn(beginning: string): string | undefined {
  return /^\s*\{\s*"type"\s*:\s*"([a-z_.]{1,64})"/u.exec(beginning)?.[1];
}

function hasTokenInChoice(choice: unknown): boolean {
  if (!isJsonObject(choice)) return false;
  const { delta, message, text, token_ids: tokenIds } = choice;
  return [delta, message].some(hasGenerated) || isFilled(text) || isFilled(tokenIds);
}

/** Any member that is not empty counts, because engines have different names for reasoning. */
function hasGenerated(delta: unknown): boolean {
  if (!isJsonObject(delta)) return false;
  return Object.entries(delta).some(([name, value]) => !notGenerated.has(name) && isFilled(value));
}

function hasTokenInTyped(type: string, event: JsonObject): boolean {
  if (quietTypes.has(type)) return false;
  const { delta, content_block: block } = event;
  if (type === "content_block_delta") return hasGenerated(delta);
  if (type === "content_block_start") return hasGenerated(withoutInput(block));
  if (!/^(?:response|transcript|speech|image)[._]/u.test(type)) return true;
  if (/\.(?:delta|partial_image)$/u.test(type)) return isFilled(delta) || !("delta" in event);
  // An engine that sends no deltas has the whole item in its last event.
  if (type.endsWith(".done"))
    return ["text", "arguments", "refusal", "item"].some((name) => isFilled(event[name]));
  const { response } = event;
  return finalTypes.has(type) && isJsonObject(response) && isFilled(response["output"]);
}

/** Reduces a tool call to its name, which is output; its input begins as an empty object. */
function withoutInput(block: unknown): unknown {
  if (!isJsonObject(block)) return undefined;
  const { type, name } = block;
  const isTool = typeof type === "string" && type.endsWith("tool_use");
  return isTool ? { called: name } : block;
}

function isFilled(value: unknown): boolean {
  if (Array.isArray(value) || typeof value === "string") return value.length > 0;
  if (isJsonObject(value)) return Object.values(value).some((member) => member !== null);
  return value !== undefined && value !== null;
}
