import { addAnthropicPrompt } from "./anthropic-prompt.ts";
import { countOf } from "../json/json-value.ts";
import { emptyPrompt } from "./message-list.ts";
import type { DialectParser } from "../parser.ts";

/** The messages of the Anthropic API. */
export const anthropicMessages: DialectParser = {
  dialect: "messages",
  pathSuffixes: ["/v1/messages"],
  noun: "messages",
  needsModel: true,
  read(body) {
    const prompt = emptyPrompt();
    const problem = addAnthropicPrompt(body, prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const { parts, openingParts } = prompt;
    const outputTokensMax = countOf(body["max_tokens"]);
    return { kind: "read", prompts: [parts], openingParts, outputTokensMax };
  },
};
