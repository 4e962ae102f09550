import type { PromptPart } from "../../../core/request.ts";
import { addContentPart } from "./content.ts";
import { countOf, isJsonArray } from "../json/json-value.ts";
import { type Problem, within } from "../parser.ts";

export type PromptList =
  | { readonly kind: "prompts"; readonly prompts: PromptPart[][] }
  | { readonly kind: "unreadable"; readonly problem: Problem };

export type TokenIds =
  | { readonly kind: "token-ids"; readonly tokenIds: readonly number[] }
  | { readonly kind: "unreadable"; readonly problem: Problem };

const isNoTokenId = "must be a token id: an integer of 0 or more";

/**
 * Reads `prompt` of completions or `input` of embeddings: one text, one list of token ids, or a batch of either. A
 * batch may also have objects, for multimodal embeddings.
 */
export function readPromptList(value: unknown): PromptList {
  if (value === undefined || value === null) return { kind: "prompts", prompts: [] };
  if (!isJsonArray(value)) return batchOf([value], () => "");
  if (typeof value[0] === "number") return batchOf([value], () => "");
  return batchOf(value, (index) => `[${index}]`);
}

function batchOf(batch: readonly unknown[], keyOf: (index: number) => string): PromptList {
  const prompts: PromptPart[][] = [];
  for (const [index, entry] of batch.entries()) {
    const prompt: PromptPart[] = [];
    const problem = addPrompt(entry, prompt);
    if (problem !== undefined) {
      return { kind: "unreadable", problem: within(keyOf(index), problem) };
    }
    prompts.push(prompt);
  }
  return { kind: "prompts", prompts };
}

function addPrompt(prompt: unknown, into: PromptPart[]): Problem | undefined {
  if (isJsonArray(prompt)) {
    const ids = readTokenIds(prompt);
    if (ids.kind === "unreadable") return ids.problem;
    into.push({ kind: "tokens", tokenIds: ids.tokenIds });
    return undefined;
  }
  const problem = addContentPart(prompt, into);
  return problem && { path: "", rule: "must be a string or an array" };
}

/** Reads one prompt of token ids without copying the list. */
export function readTokenIds(list: unknown): TokenIds {
  if (!isJsonArray(list)) {
    return { kind: "unreadable", problem: { path: "", rule: "must be an array of token ids" } };
  }
  if (areTokenIds(list)) return { kind: "token-ids", tokenIds: list };
  const index = list.findIndex((id) => countOf(id) === undefined);
  return { kind: "unreadable", problem: { path: `[${index}]`, rule: isNoTokenId } };
}

function areTokenIds(list: readonly unknown[]): list is readonly number[] {
  return list.every((id) => countOf(id) !== undefined);
}
