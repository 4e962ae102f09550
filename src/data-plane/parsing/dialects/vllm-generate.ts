import type { PromptPart } from "../../../core/request.ts";
import { countOf, isJsonArray, isJsonObject } from "../json/json-value.ts";
import { type DialectParser, within } from "../parser.ts";
import { readTokenIds } from "./prompt-list.ts";

/** One image, recording or video, and the range of its placeholder tokens in the prompt. */
interface Placeholder {
  readonly mediaType: string;
  readonly hash: string;
  readonly start: number;
  readonly end: number;
}

/**
 * vLLM's tokens-in, tokens-out API. Media of `features` replaces its placeholder tokens in the prompt, because those
 * are the same for every picture.
 */
export const vllmGenerate: DialectParser = {
  dialect: "vllm-generate",
  pathSuffixes: ["/inference/v1/generate"],
  noun: "generations",
  needsModel: false,
  read(body) {
    const ids = readTokenIds(body["token_ids"] ?? []);
    if (ids.kind === "unreadable") {
      return { kind: "unreadable", problem: within("token_ids", ids.problem) };
    }
    const { tokenIds } = ids;
    const sampling = body["sampling_params"];
    return {
      kind: "read",
      prompts: [partsOf(tokenIds, placeholdersIn(body["features"], tokenIds.length))],
      promptTokens: tokenIds.length,
      outputTokensMax: isJsonObject(sampling) ? countOf(sampling["max_tokens"]) : undefined,
    };
  },
};

function partsOf(tokenIds: readonly number[], placeholders: readonly Placeholder[]): PromptPart[] {
  if (placeholders.length === 0) return tokenIds.length > 0 ? [{ kind: "tokens", tokenIds }] : [];
  const parts: PromptPart[] = [];
  let from = 0;
  for (const { mediaType, hash, start, end } of placeholders) {
    // Skip a placeholder that overlaps the previous one: its position is wrong.
    if (start < from) continue;
    if (start > from) parts.push({ kind: "tokens", tokenIds: tokenIds.slice(from, start) });
    parts.push({ kind: "media", mediaType, reference: hash });
    from = end;
  }
  if (from < tokenIds.length) parts.push({ kind: "tokens", tokenIds: tokenIds.slice(from) });
  return parts;
}

/** The placeholders in the order of the prompt, without those that cannot be read or are outside of it. */
function placeholdersIn(features: unknown, tokensMax: number): readonly Placeholder[] {
  if (!isJsonObject(features) || !isJsonObject(features["mm_placeholders"])) return [];
  const hashes = isJsonObject(features["mm_hashes"]) ? features["mm_hashes"] : {};
  return Object.entries(features["mm_placeholders"])
    .flatMap(([mediaType, ranges]) => {
      if (!isJsonArray(ranges)) return [];
      return ranges.map((range, index) => ({
        mediaType,
        range,
        hash: at(hashes[mediaType], index),
      }));
    })
    .flatMap(({ mediaType, range, hash }) => {
      const start = isJsonObject(range) ? countOf(range["offset"]) : undefined;
      const length = isJsonObject(range) ? countOf(range["length"]) : undefined;
      if (start === undefined || length === undefined || start + length > tokensMax) return [];
      return [{ mediaType, hash, start, end: start + length }];
    })
    .toSorted((a, b) => a.start - b.start);
}

function at(hashes: unknown, index: number): string {
  const hash = isJsonArray(hashes) ? hashes[index] : undefined;
  return typeof hash === "string" ? hash : "";
}
