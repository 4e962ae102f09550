import type { PromptPart } from "../../../core/request.ts";
import { type Adder, addContent, addContentPart, addEach, addTextOrJson } from "./content.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type Problem, within } from "../parser.ts";

/** A prompt of messages that is being read. */
export interface MessagePrompt {
  readonly parts: PromptPart[];
  /** Parts up to the end of the user's first messages; 0 until the user has one. */
  openingParts: number;
}

export function emptyPrompt(): MessagePrompt {
  return { parts: [], openingParts: 0 };
}

/**
 * Adds `messages` in order with `add`, by default the role, the content, the tool calls and the id of the answered call
 * of each.
 */
export function addMessages(
  messages: unknown,
  prompt: MessagePrompt,
  add: Adder = addMessage,
): Problem | undefined {
  if (messages === undefined || messages === null) return undefined;
  const problem = isJsonArray(messages)
    ? addTurns(messages, prompt, add)
    : { path: "", rule: "must be an array" };
  return problem && within("messages", problem);
}

/** Adds messages or items in order with `add`, and notes where the user's first messages end. */
export function addTurns(
  turns: readonly unknown[],
  prompt: MessagePrompt,
  add: Adder,
): Problem | undefined {
  const openingTurns = openingTurnsOf(turns);
  let added = 0;
  return addEach(turns, prompt.parts, (turn, into) => {
    const problem = add(turn, into);
    added += 1;
    if (added === openingTurns) prompt.openingParts = into.length;
    return problem;
  });
}

/** Number of turns up to the end of the user's first ones; 0 if the user has none. */
function openingTurnsOf(turns: readonly unknown[]): number {
  const first = turns.findIndex(isOfUser);
  if (first === -1) return 0;
  const next = turns.findIndex((turn, index) => index > first && !isOfUser(turn));
  return next === -1 ? turns.length : next;
}

function isOfUser(turn: unknown): boolean {
  return isJsonObject(turn) && turn["role"] === "user";
}

function addMessage(message: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(message)) return { path: "", rule: "must be an object" };
  return (
    addRoleAndContent(message, into) ??
    addToolCalls(message["tool_calls"], into) ??
    addTextOrJson(message["tool_call_id"], into)
  );
}

/** Adds the role and content, which chat messages and Responses items have in the same form. */
export function addRoleAndContent(
  holder: JsonObject,
  into: PromptPart[],
  addPart: Adder = addContentPart,
): Problem | undefined {
  const role = holder["role"];
  if (role !== undefined && role !== null && typeof role !== "string") {
    return { path: "role", rule: "must be a string" };
  }
  addTextOrJson(role, into);
  const problem = addContent(holder["content"], into, addPart);
  return problem && within("content", problem);
}

function addToolCalls(calls: unknown, into: PromptPart[]): Problem | undefined {
  const problem = isJsonArray(calls)
    ? addEach(calls, into, addToolCall)
    : addTextOrJson(calls, into);
  return problem && within("tool_calls", problem);
}

function addToolCall(call: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(call) || !isJsonObject(call["function"])) return addTextOrJson(call, into);
  return (
    addTextOrJson(call["id"], into) ??
    addTextOrJson(call["function"]["name"], into) ??
    addTextOrJson(call["function"]["arguments"], into)
  );
}
