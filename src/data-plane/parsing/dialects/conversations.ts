import { addItems } from "./items.ts";
import { emptyPrompt } from "./message-list.ts";
import type { DialectParser } from "../parser.ts";

/** OpenAI conversations: items stored for later responses; no model runs yet. */
export const conversations: DialectParser = {
  dialect: "conversations",
  pathSuffixes: ["/conversations"],
  noun: "conversations",
  needsModel: false,
  read(body) {
    const prompt = emptyPrompt();
    const problem = addItems(body, "items", prompt);
    if (problem !== undefined) return { kind: "unreadable", problem };
    const { parts, openingParts } = prompt;
    return { kind: "read", prompts: [parts], openingParts, outputTokensMax: undefined };
  },
};
