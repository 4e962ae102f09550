import { isRecord, type JsonRecord, jsonTextOf } from "../json.ts";

/** The messages of a request in the form of a chat, whatever its API. */
export type Messages = readonly JsonRecord[];

/** A response that can be continued. */
export interface StoredResponse {
  readonly response: JsonRecord;
  /** The conversation with the answer. */
  readonly messages: Messages;
}

/** The messages of a chat; undefined if there are none. */
export function messagesOfChat(body: JsonRecord): Messages | undefined {
  return messageListIn(body["messages"]);
}

/** The messages of Anthropic's API, as vLLM turns them into a chat; undefined if there are none. */
export function messagesOfAnthropic(body: JsonRecord): Messages | undefined {
  const list = messageListIn(body["messages"]);
  if (list === undefined) return undefined;
  const system = body["system"] ?? undefined;
  const opening = system === undefined ? [] : [{ role: "system", content: system }];
  return [...opening, ...list.flatMap(chatMessagesOf)];
}

/** The input of a response after the messages that it continues; undefined if the input is malformed. */
export function messagesOfResponse(
  body: JsonRecord,
  continued: StoredResponse | undefined,
): Messages | undefined {
  const { instructions, input } = body;
  const before = continued?.messages ?? [];
  // The instructions of the response before apply to it alone.
  const kept = before.filter(({ role }, index) => index > 0 || role !== "system");
  const opening =
    typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  const messages = typeof input === "string" ? [{ role: "user", content: input }] : itemsIn(input);
  return messages === undefined ? undefined : [...opening, ...kept, ...messages];
}

/** The message that an answer adds to its conversation. */
export function assistantMessage(
  content: string | null,
  call: { readonly name: string; readonly argumentsText: string } | undefined,
): JsonRecord {
  if (call === undefined) return { role: "assistant", content };
  return { role: "assistant", content, tool_calls: [chatCallOf(call.name, call.argumentsText)] };
}

function messageListIn(value: unknown): Messages | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every(isMessage) ? value : undefined;
}

function isMessage(message: unknown): message is JsonRecord {
  return isRecord(message) && typeof message["role"] === "string";
}

function chatCallOf(name: unknown, argumentsText: unknown): JsonRecord {
  return { function: { name, arguments: argumentsText } };
}

/** One message of Anthropic's API: results of tools become messages of their own, before the rest. */
function chatMessagesOf(message: JsonRecord): Messages {
  const { role, content } = message;
  if (!Array.isArray(content)) return [message];
  const blocks = content.filter(isRecord);
  const typed = (type: string) => blocks.filter((block) => block["type"] === type);
  const results = typed("tool_result").map((block) => ({
    role: "tool",
    content: block["content"],
  }));
  const calls = typed("tool_use").map(({ name, input }) =>
    chatCallOf(name, jsonTextOf(input ?? {})),
  );
  const rest = blocks.filter(({ type }) => !unsaid.has(type));
  if (rest.length === 0 && calls.length === 0) return results;
  return [
    ...results,
    { role, content: rest, ...(calls.length === 0 ? {} : { tool_calls: calls }) },
  ];
}

/** Blocks that are no part of the text of their message. */
const unsaid: ReadonlySet<unknown> = new Set([
  "tool_result",
  "tool_use",
  "thinking",
  "redacted_thinking",
]);

function itemsIn(input: unknown): Messages | undefined {
  if (!Array.isArray(input) || input.length === 0) return undefined;
  const items = input.filter(isRecord);
  return items.length < input.length ? undefined : items.flatMap(messagesOfItem);
}

/** One item of a response's input. */
function messagesOfItem(item: JsonRecord): Messages {
  switch (item["type"]) {
    case "function_call":
      return [
        {
          role: "assistant",
          content: null,
          tool_calls: [chatCallOf(item["name"], item["arguments"])],
        },
      ];
    case "function_call_output":
      return [{ role: "tool", content: item["output"] }];
    case "reasoning":
      return [];
    default: {
      const { role = "user", content } = item;
      return [{ role, content }];
    }
  }
}
