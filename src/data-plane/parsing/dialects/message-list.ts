import type { PromptPart } from "../../../core/request.ts";
import { type Adder, addContent, addContentPart, addEach, addTextOrJson } from "./content.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type Problem, within } from "../parser.ts";

/**
 * Adds `messages` in order with `add`, by default the role, the content, the tool calls and the id of the answered call
 * of each.
 */
export function addMessages(
  messages: unknown,
  into: PromptPart[],
  add: Adder = addMessage,
): Problem | undefined {
  if (messages === undefined || messages === null) return undefined;
  const problem = isJsonArray(messages)
    ? addEach(messages, into, add)
    : { path: "", rule: "must be an array" };
  return problem && within("messages", problem);
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
