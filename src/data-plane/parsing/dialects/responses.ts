import type { PromptPart } from "../../../core/request.ts";
import { addTextOrJson, addTools } from "./content.ts";
import { addItems } from "./items.ts";
import { countOf } from "../json/json-value.ts";
import { type DialectParser, within } from "../parser.ts";

/**
 * OpenAI responses. `model` may be absent, because a stored prompt can name it. The objects of `previous_response_id`,
 * `conversation` and `prompt` are stored in an engine and not read.
 */
export const responses: DialectParser = {
  dialect: "responses",
  pathSuffixes: ["/responses"],
  noun: "responses",
  needsModel: false,
  read(body) {
    const prompt: PromptPart[] = [];
    const instructions = addTextOrJson(body["instructions"], prompt);
    const problem =
      (instructions && within("instructions", instructions)) ??
      addTools(body["tools"], prompt) ??
      addItems(body, "input", prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const outputTokensMax = countOf(body["max_output_tokens"]);
    return { kind: "read", prompts: [prompt], outputTokensMax };
  },
};
