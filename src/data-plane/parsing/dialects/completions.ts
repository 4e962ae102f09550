import { addTextOrJson } from "./content.ts";
import { countOf } from "../json/json-value.ts";
import { type DialectParser, within } from "../parser.ts";
import { readPromptList } from "./prompt-list.ts";

/** OpenAI completions, and their rendering to token ids. */
export const completions: DialectParser = {
  dialect: "completions",
  pathSuffixes: ["/completions", "/completions/render"],
  noun: "completions",
  needsModel: true,
  read(body) {
    const list = readPromptList(body["prompt"]);
    if (list.kind === "unreadable") {
      return { kind: "unreadable", problem: within("prompt", list.problem) };
    }
    for (const prompt of list.prompts) {
      const problem = addTextOrJson(body["suffix"], prompt);
      if (problem !== undefined) return { kind: "unreadable", problem: within("suffix", problem) };
    }
    return { kind: "read", prompts: list.prompts, outputTokensMax: countOf(body["max_tokens"]) };
  },
};
