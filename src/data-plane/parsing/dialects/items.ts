import type { PromptPart } from "../../../core/request.ts";
import { addContent, addTextOrJson } from "./content.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { addRoleAndContent, addTurns, type MessagePrompt } from "./message-list.ts";
import { type Problem, within } from "../parser.ts";

/** Adds the input of the Responses API at `field`: a string, which is the user's, or items in order. */
export function addItems(
  body: JsonObject,
  field: string,
  prompt: MessagePrompt,
): Problem | undefined {
  const input = body[field];
  if (input === undefined || input === null) return undefined;
  if (typeof input === "string") {
    addTextOrJson(input, prompt.parts);
    prompt.openingParts = prompt.parts.length;
    return undefined;
  }
  const problem = isJsonArray(input)
    ? addTurns(input, prompt, addItem)
    : { path: "", rule: "must be a string or an array" };
  return problem && within(field, problem);
}

function addItem(item: unknown, into: PromptPart[]): Problem | undefined {
  if (typeof item === "string") return addTextOrJson(item, into);
  if (!isJsonObject(item)) return { path: "", rule: "must be an object" };
  if (item["type"] === "function_call") return addCall(item, into);
  if (item["type"] === "function_call_output") return addCallOutput(item, into);
  // Messages may omit `type`, and reasoning items have content too.
  if (item["content"] !== undefined && item["content"] !== null) {
    return addRoleAndContent(item, into);
  }
  return addTextOrJson(item, into);
}

function addCall(item: JsonObject, into: PromptPart[]): Problem | undefined {
  return (
    addTextOrJson(item["call_id"], into) ??
    addTextOrJson(item["name"], into) ??
    addTextOrJson(item["arguments"], into)
  );
}

function addCallOutput(item: JsonObject, into: PromptPart[]): Problem | undefined {
  const output = item["output"];
  const idProblem = addTextOrJson(item["call_id"], into);
  if (idProblem !== undefined) return within("call_id", idProblem);
  const problem = isJsonArray(output) ? addContent(output, into) : addTextOrJson(output, into);
  return problem && within("output", problem);
}
