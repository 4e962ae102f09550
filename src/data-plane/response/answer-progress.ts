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

/** Members of an event that are about the answer, not in it. */
const asideTypes: ReadonlySet<string> = new Set([
  ...notGenerated,
  "usage",
  "choices",
  "created",
  "model",
  "system_fingerprint",
  "service_tier",
]);

/** Members of an event that hold what the model wrote, where an event has no choices. */
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

/** Events of Anthropic's API and keep-alives of several that hold nothing generated. */
const quietTypes: ReadonlySet<string> = new Set([
  ...keepAlives,
  "message_start",
  "message_delta",
  "message_stop",
  "content_block_stop",
  "error",
]);

/** Types of the event after which nothing has to come, of the Responses, messages, audio and image APIs. */
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

/** True if the events' name alone says that one holds nothing generated. */
export function isQuietName(name: string): boolean {
  return quietTypes.has(name);
}

/**
 * True if an event of a stream holds something that the model wrote: text, reasoning, a refusal, a
 * tool call, audio, token ids. Roles, empty deltas, usage and keep-alives are none. An event of a
 * dialect that is not known counts, so that its stream has a beginning.
 */
export function hasToken(event: JsonObject): boolean {
  const { choices, type, meta_info: metaInfo } = event;
  if (Array.isArray(choices)) return choices.some((choice) => hasTokenInChoice(choice));
  if (isJsonObject(metaInfo) && typeof metaInfo["completion_tokens"] === "number") {
    return metaInfo["completion_tokens"] > 0 || generated.some((name) => isFilled(event[name]));
  }
  if (typeof type === "string") return hasTokenInTyped(type, event);
  // Ollama's chat.
  if (isJsonObject(event["message"])) return hasGenerated(event["message"]);
  const known = generated.filter((name) => name in event);
  if (known.length > 0) return known.some((name) => isFilled(event[name]));
  return Object.keys(event).some((name) => !asideTypes.has(name));
}

/** True if an event may be the last one that its API promises, by a finish reason or by its type. */
export function isFinal(event: JsonObject): boolean {
  const { choices, type, delta, meta_info: metaInfo, usage } = event;
  if (Array.isArray(choices)) {
    // The usage that a client has asked for comes by itself after the last choice has finished.
    if (choices.length === 0) return isJsonObject(usage);
    return choices.every((choice) => isJsonObject(choice) && isFilled(choice["finish_reason"]));
  }
  if (isJsonObject(metaInfo)) return isFilled(metaInfo["finish_reason"]);
  if (type === "message_delta") return isJsonObject(delta) && isFilled(delta["stop_reason"]);
  if (typeof type === "string") return finalTypes.has(type);
  // The text so far of Text Generation Inference; the flags of llama.cpp and of Ollama.
  const isDone = typeof event["generated_text"] === "string" || event["stop"] === true;
  return isDone || event["done"] === true || isFilled(event["finish_reason"]);
}

/** Whether an event says nothing of the answer, so that what came before it may have been the last. */
export function isAside({ choices, type }: JsonObject): boolean {
  if (Array.isArray(choices)) return choices.length === 0;
  return typeof type === "string" && keepAlives.has(type);
}

/** Whether the type of an event alone says that nothing has to come after it. */
export function isFinalType(type: string): boolean {
  return finalTypes.has(type);
}

/** The type of an event of which only the beginning is known, where it stands first. */
export function typeIn(beginning: string): string | undefined {
  return /^\s*\{\s*"type"\s*:\s*"([a-z_.]{1,64})"/u.exec(beginning)?.[1];
}

function hasTokenInChoice(choice: unknown): boolean {
  if (!isJsonObject(choice)) return false;
  const { delta, message, text, token_ids: tokenIds } = choice;
  return [delta, message].some(hasGenerated) || isFilled(text) || isFilled(tokenIds);
}

/** Any member counts that is filled: engines have names of their own for reasoning. */
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
  // An engine that sends no deltas has all of an item in the event that ends it.
  if (type.endsWith(".done"))
    return ["text", "arguments", "refusal", "item"].some((name) => isFilled(event[name]));
  const { response } = event;
  return finalTypes.has(type) && isJsonObject(response) && isFilled(response["output"]);
}

/** A tool's name is generated; its input begins as an empty object. */
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
