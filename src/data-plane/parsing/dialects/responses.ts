import { addTextOrJson, addTools } from "./content.ts";
import { addItems } from "./items.ts";
import { countOf } from "../json/json-value.ts";
import { emptyPrompt } from "./message-list.ts";
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
    const prompt = emptyPrompt();
    const instructions = addTextOrJson(body["instructions"], prompt.parts);
    const problem =
      (instructions && within("instructions", instructions)) ??
      addTools(body["tools"], prompt.parts) ??
      addItems(body, "input", prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const outputTokensMax = countOf(body["max_output_tokens"]);
    const { parts, openingParts } = prompt;
    return { kind: "read", prompts: [parts], openingParts, outputTokensMax };
  },
};
