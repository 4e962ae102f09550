import type { PromptPart } from "../../../core/request.ts";
import { addAnthropicPrompt } from "./anthropic-prompt.ts";
import { countOf } from "../json/json-value.ts";
import type { DialectParser } from "../parser.ts";

/** The messages of the Anthropic API. */
export const anthropicMessages: DialectParser = {
  dialect: "messages",
  pathSuffixes: ["/v1/messages"],
  noun: "messages",
  needsModel: true,
  read(body) {
    const prompt: PromptPart[] = [];
    const problem = addAnthropicPrompt(body, prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    return { kind: "read", prompts: [prompt], outputTokensMax: countOf(body["max_tokens"]) };
  },
};
