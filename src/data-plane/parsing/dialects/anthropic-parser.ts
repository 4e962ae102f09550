import { countTokens } from "./count-tokens.ts";
import { anthropicMessages } from "./anthropic-messages.ts";
import type { RequestParser } from "../parser.ts";

/** The Anthropic API, which vLLM and SGLang speak too. */
export const anthropicParser: RequestParser = {
  type: "anthropic-parser",
  dialects: [anthropicMessages, countTokens],
};
