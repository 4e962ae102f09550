import type { PromptPart } from "../../../core/request.ts";
import { addItems } from "./items.ts";
import type { DialectParser } from "../parser.ts";

/** OpenAI conversations: items stored for later responses; no model runs yet. */
export const conversations: DialectParser = {
  dialect: "conversations",
  pathSuffixes: ["/conversations"],
  noun: "conversations",
  needsModel: false,
  read(body) {
    const prompt: PromptPart[] = [];
    const problem = addItems(body, "items", prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    return { kind: "read", prompts: [prompt], outputTokensMax: undefined };
  },
};
