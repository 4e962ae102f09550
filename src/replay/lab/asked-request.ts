import { headerTable } from "../../core/headers.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { model } from "./answers.ts";
import type { Conversation, PlannedTurn } from "./conversation.ts";

/** Headers of the requests of a conversation. */
export function headersOf(conversation: Conversation): Map<string, string> {
  const { number, hasSessionKey, objective, asked } = conversation;
  const headers = new Map([
    ["content-type", "application/json"],
    ["x-forwarded-for", addressOf(number)],
    ...(asked?.headers ?? []),
  ]);
  if (hasSessionKey) headers.set(headerTable.sessionId.name, `session-${number}`);
  if (objective !== undefined) headers.set(headerTable.objective.name, objective);
  return headers;
}

/** A turn as a picker has it once its body is read. */
export function requestOf(
  conversation: Conversation,
  { prompt }: PlannedTurn,
  isStreaming: boolean,
): Omit<InferenceRequest, "head"> {
  const name = conversation.adapter ?? model;
  return {
    dialect: "chat",
    model: name,
    targetModel: name,
    cacheSalt: "",
    sessionKey: "",
    storedId: "",
    // A conversation begins with what its first request had.
    openingParts: conversation.turns[0]?.prompt.partCount ?? 0,
    isStreaming,
    priority: 0,
    prompts: [prompt.parts()],
    promptTokens: prompt.tokens,
    // Clients rarely know how long an answer becomes.
    outputTokensMax: conversation.asked?.outputTokensMax,
    bodyBytes: prompt.tokens * 4,
  };
}

/** The address of a client, one for each conversation. */
function addressOf(conversation: number): string {
  const { [0]: a, [1]: b, [2]: c } = new Uint8Array(new Uint32Array([conversation]).buffer);
  return `10.${c}.${b}.${a}`;
}
