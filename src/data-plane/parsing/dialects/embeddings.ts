import { addMessages, emptyPrompt } from "./message-list.ts";
import { type DialectParser, within } from "../parser.ts";
import { readPromptList } from "./prompt-list.ts";

/** OpenAI embeddings; engines also embed a chat, with `messages` in place of `input`. */
export const embeddings: DialectParser = {
  dialect: "embeddings",
  pathSuffixes: ["/embeddings"],
  noun: "embeddings",
  needsModel: true,
  read(body) {
    const list = readPromptList(body["input"]);
    if (list.kind === "unreadable") {
      return { kind: "unreadable", problem: within("input", list.problem) };
    }
    const conversation = emptyPrompt();
    const problem = addMessages(body["messages"], conversation);
    if (problem !== undefined) return { kind: "unreadable", problem };
    if (conversation.parts.length > 0) list.prompts.push(conversation.parts);
    return { kind: "read", prompts: list.prompts, outputTokensMax: undefined };
  },
};
