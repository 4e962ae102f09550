import type { PromptPart } from "../../../core/request.ts";
import { addTools } from "./content.ts";
import { countOf } from "../json/json-value.ts";
import { addMessages } from "./message-list.ts";
import type { DialectParser } from "../parser.ts";

/** OpenAI chat completions, and their rendering to token ids. */
export const chat: DialectParser = {
  dialect: "chat",
  pathSuffixes: ["/chat/completions", "/chat/completions/render"],
  noun: "chat completions",
  needsModel: true,
  read(body) {
    const prompt: PromptPart[] = [];
    const problem = addTools(body["tools"], prompt) ?? addMessages(body["messages"], prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const outputTokensMax = countOf(body["max_completion_tokens"] ?? body["max_tokens"]);
    return { kind: "read", prompts: [prompt], outputTokensMax };
  },
};
