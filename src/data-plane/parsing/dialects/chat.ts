import { addTools } from "./content.ts";
import { countOf } from "../json/json-value.ts";
import { addMessages, emptyPrompt } from "./message-list.ts";
import type { DialectParser } from "../parser.ts";

/** OpenAI chat completions, and their rendering to token ids. */
export const chat: DialectParser = {
  dialect: "chat",
  pathSuffixes: ["/chat/completions", "/chat/completions/render"],
  noun: "chat completions",
  needsModel: true,
  read(body) {
    const prompt = emptyPrompt();
    const problem = addTools(body["tools"], prompt.parts) ?? addMessages(body["messages"], prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const outputTokensMax = countOf(body["max_completion_tokens"] ?? body["max_tokens"]);
    const { parts, openingParts } = prompt;
    return { kind: "read", prompts: [parts], openingParts, outputTokensMax };
  },
};
