import type { PrefixHit } from "../../core/decision.ts";
import type { ApiDialect, InferenceRequest, PromptPart } from "../../core/request.ts";
import { partTokensOf } from "../../core/token-estimate.ts";
import { hashNumber, hashSeed, hashText } from "../../std/text-hash.ts";

/** APIs whose answers are generated text, as long as the model likes. */
const generating: ReadonlySet<ApiDialect> = new Set([
  "chat",
  "completions",
  "responses",
  "messages",
  "vllm-generate",
  "sglang-generate",
]);
/** Numbers at each end of a list of tokens that distinguish it. */
const endLength = 256;
/** Prompts of one kind have up to this many times the tokens of one another. */
const sizeFactor = 4;
/** Beginnings of a prompt that are told apart. */
const beginningsMax = 4;
/** Tokens by which one beginning is longer than the one before; less is the frame that a chat template puts around text. */
const beginningTokensMin = 64;

/**
 * Kinds of a request within which chance alone decides how long an answer each endpoint has to give, the most general
 * first.
 *
 * All of one kind have model, API, limit of output, size of the prompt and the gateway's subset of endpoints in common,
 * and a beginning of the prompt at least as long as the part that brought the request to its endpoint: the answers to
 * one document, or in one conversation, may all be short. Without such a part, any prompts are comparable.
 */
export function answerKindsOf(
  request: InferenceRequest,
  prefixHit: Pick<PrefixHit, "tokens"> | undefined,
): readonly number[] {
  const { dialect, targetModel, isStreaming, outputTokensMax, promptTokens, prompts } = request;
  const [parts = []] = prompts;
  if (!generating.has(dialect) || prompts.length !== 1) return [];
  const size = Math.round(Math.log(Math.max(1, promptTokens)) / Math.log(sizeFactor));
  const subset = request.head.subset?.join(",") ?? "";
  const common = [Number(isStreaming), outputTokensMax ?? -1, size].reduce(
    hashNumber,
    hashText(hashText(hashText(hashSeed, targetModel), dialect), subset),
  );
  const hitTokens = prefixHit?.tokens ?? 0;
  return beginningsOf(parts, common).flatMap(({ tokens, key }) =>
    hitTokens === 0 || (tokens > 0 && tokens + beginningTokensMin > hitTokens) ? key : [],
  );
}

interface Beginning {
  readonly tokens: number;
  readonly key: number;
}

/** The beginnings of a prompt that end with a part, the empty one first. */
function beginningsOf(parts: readonly PromptPart[], common: number): readonly Beginning[] {
  const all: Beginning[] = [{ tokens: 0, key: common }];
  let [tokens, key, last] = [0, common, 0];
  for (const part of parts) {
    tokens += partTokensOf(part);
    key = partHashOf(part, key);
    if (tokens - last < beginningTokensMin) continue;
    last = tokens;
    all.push({ tokens, key });
    if (all.length > beginningsMax) break;
  }
  return all;
}

function partHashOf(part: PromptPart, seed: number): number {
  if (part.kind === "media") return hashText(hashNumber(seed, 1), part.reference);
  if (part.kind === "text") return hashText(hashNumber(seed, 2), part.text);
  const { tokenIds } = part;
  const ends = tokenIds.slice(0, endLength).concat(tokenIds.slice(-endLength));
  return ends.reduce(hashNumber, hashNumber(seed, tokenIds.length));
}
