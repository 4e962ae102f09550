import type { PromptPart } from "../../../core/request.ts";
import { referenceOf } from "./content.ts";
import { countOf, isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type DialectParser, within } from "../parser.ts";
import { readPromptList } from "./prompt-list.ts";

/** Field -> the kind of media in it. */
const mediaFields = [
  ["image_data", "image"],
  ["video_data", "video"],
  ["audio_data", "audio"],
] as const;

/**
 * SGLang's own generation. `input_ids` count where there are both ids and text, as in the engine;
 * `input_embeds` are not read. Media stands before the text, whose template alone knows the place:
 * prompts with different pictures must not look as if they began alike.
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

/** The media of one prompt of a batch, or of the only prompt. */
function mediaOf(body: JsonObject, batchIndex: number | undefined): PromptPart[] {
  const parts: PromptPart[] = [];
  for (const [field, mediaType] of mediaFields) {
    const value = body[field];
    // One for a batch goes with each of its prompts; a list has one entry or list for each.
    const own = isJsonArray(value) && batchIndex !== undefined ? value[batchIndex] : value;
    for (const item of isJsonArray(own) ? own.flat() : [own]) {
      if (typeof item === "string") parts.push({ kind: "media", mediaType, reference: item });
      if (!isJsonObject(item)) continue;
      parts.push({ kind: "media", mediaType, reference: referenceOf(item) });
    }
  }
  return parts;
}

/** One bound for all prompts, or one for each, of which the largest counts. */
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
 * The adapter that all prompts use; "" where prompts of a batch use different ones, and undefined
 * where none is named.
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
