import { addAnthropicPrompt } from "./anthropic-prompt.ts";
import { emptyPrompt } from "./message-list.ts";
import type { DialectParser } from "../parser.ts";

/** Anthropic token counting: an engine tokenizes the prompt, and no model runs. */
export const countTokens: DialectParser = {
  dialect: "count-tokens",
  pathSuffixes: ["/v1/messages/count_tokens"],
  noun: "token counts",
  needsModel: true,
  read(body) {
    const prompt = emptyPrompt();
    const problem = addAnthropicPrompt(body, prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const { parts, openingParts } = prompt;
    return { kind: "read", prompts: [parts], openingParts, outputTokensMax: 0 };
  },
};
