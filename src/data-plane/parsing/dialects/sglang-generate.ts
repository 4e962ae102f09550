import type { PromptPart } from "../../../core/request.ts";
import { referenceOf } from "./content.ts";
import { countOf, isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type DialectParser, within } from "../parser.ts";
import { readPromptList } from "./prompt-list.ts";

/** Fields with media, and the kind of media. */
const mediaFields = [
  ["image_data", "image"],
  ["video_data", "video"],
  ["audio_data", "audio"],
] as const;

/**
 * SGLang's native generation. If there are both ids and text, `input_ids` are used, as in the engine; `input_embeds`
 * are not read. Media is placed before the text, because only the template knows its place: prompts with different
 * pictures must not share a prefix.
 */
export const sglangGenerate: DialectParser = {
  dialect: "sglang-generate",
  pathSuffixes: ["/generate"],
  noun: "generations",
  needsModel: false,
  read(body) {
    const field = isAbsent(body["input_ids"]) ? "text" : "input_ids";
    const list = readPromptList(body[field]);
    if (list.kind === "unreadable") {
      return { kind: "unreadable", problem: within(field, list.problem) };
    }
    const isBatch = isJsonArray(body[field]) && typeof body[field][0] !== "number";
    return {
      kind: "read",
      prompts: list.prompts.map((prompt, index) =>
        mediaOf(body, isBatch ? index : undefined).concat(prompt),
      ),
      outputTokensMax: outputTokensMaxIn(body["sampling_params"]),
      model: adapterIn(body["lora_path"]),
    };
  },
};

/** The media of one prompt: the one at `batchIndex`, or the only one. */
function mediaOf(body: JsonObject, batchIndex: number | undefined): PromptPart[] {
  const parts: PromptPart[] = [];
  for (const [field, mediaType] of mediaFields) {
    const value = body[field];
    // A single value applies to every prompt of a batch; a list has one entry or list for each prompt.
    const own = isJsonArray(value) && batchIndex !== undefined ? value[batchIndex] : value;
    for (const item of isJsonArray(own) ? own.flat() : [own]) {
      if (typeof item === "string") parts.push({ kind: "media", mediaType, reference: item });
      if (!isJsonObject(item)) continue;
      parts.push({ kind: "media", mediaType, reference: referenceOf(item) });
    }
  }
  return parts;
}

/** The limit of all prompts, or the largest of one limit per prompt; undefined if a prompt has none. */
function outputTokensMaxIn(sampling: unknown): number | undefined {
  if (isJsonObject(sampling)) return countOf(sampling["max_new_tokens"]);
  if (!isJsonArray(sampling)) return undefined;
  let tokensMax: number | undefined;
  for (const one of sampling) {
    const tokens = isJsonObject(one) ? countOf(one["max_new_tokens"]) : undefined;
    if (tokens === undefined) return undefined;
    tokensMax = Math.max(tokens, tokensMax ?? 0);
  }
  return tokensMax;
}

/**
 * The adapter of all prompts; "" if prompts of a batch use different ones, undefined if none is named.
 */
function adapterIn(path: unknown): string | undefined {
  const paths = isJsonArray(path) ? path : [path];
  const [first] = paths;
  if (paths.every((each) => isAbsent(each) || each === "")) return undefined;
  return typeof first === "string" && paths.every((each) => each === first) ? first : "";
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}
