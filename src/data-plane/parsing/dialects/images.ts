import { type DialectParser, within } from "../parser.ts";
import { readPromptList } from "./prompt-list.ts";

/** OpenAI image generations. `model` may be absent: the API has a default. */
export const images: DialectParser = {
  dialect: "images",
  pathSuffixes: ["/images/generations"],
  noun: "image generations",
  needsModel: false,
  read(body) {
    const list = readPromptList(body["prompt"]);
    if (list.kind === "unreadable") {
      return { kind: "unreadable", problem: within("prompt", list.problem) };
    }
    return { kind: "read", prompts: list.prompts, outputTokensMax: undefined };
  },
};
