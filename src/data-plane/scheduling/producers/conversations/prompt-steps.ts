import type { ApiDialect, InferenceRequest, PromptPart } from "../../../../core/request.ts";

/** Maximum characters of a part of the opening that count; of a longer one, pieces at its start, middle and end do. */
const openingCharactersMax = 2_048;
/** The same for a part after the opening. */
const laterCharactersMax = 512;
/** Steps after the opening. Conversations with the same opening differ in the first answer, or soon after. */
const laterStepsMax = 6;
/** Parts of a step after the opening: usually the role of a message and its content. */
const partsPerStep = 2;
/** Length of a step in a prompt without messages. */
const sliceCharacters = 4_096;
const sliceTokens = 1_024;
/** Part of a slice that counts, at its start: texts that differ at one place mostly differ from there on. */
const sampleCharacters = 48;
const sampleTokens = 12;
/** Maximum slices of a prompt without messages. */
const slicesMax = 16;

/** APIs whose prompts are messages or the user's text. */
const messageDialects: ReadonlySet<ApiDialect> = new Set<ApiDialect>([
  "chat",
  "responses",
  "conversations",
  "messages",
  "count-tokens",
]);
/** APIs whose prompts may be those of a conversation that the client has written out. */
const plainDialects: ReadonlySet<ApiDialect> = new Set<ApiDialect>([
  "completions",
  "vllm-generate",
  "sglang-generate",
]);

/** The beginning of a prompt, cut at places that stay the same while a conversation grows. */
export interface PromptSteps {
  /** A short text for each step: equal steps have equal texts. Empty if the prompt is too short. */
  readonly texts: readonly string[];
  /** True if the first step is the opening: instructions, tools and the user's first messages. */
  readonly hasOpening: boolean;
}

/** The steps of a prompt; undefined if the prompt belongs to no conversation. */
export function stepsOf({
  dialect,
  prompts,
  openingParts,
}: InferenceRequest): PromptSteps | undefined {
  const [parts] = prompts;
  // The prompts of a batch are separate texts.
  if (parts === undefined || parts.length === 0 || prompts.length > 1) return undefined;
  if (messageDialects.has(dialect)) {
    return { texts: messageSteps(parts, openingParts || parts.length), hasOpening: true };
  }
  return plainDialects.has(dialect) ? { texts: slicesOf(parts), hasOpening: false } : undefined;
}

function messageSteps(parts: readonly PromptPart[], openingParts: number): readonly string[] {
  const steps = [textOf(parts.slice(0, openingParts), openingCharactersMax)];
  for (
    let from = openingParts;
    from + partsPerStep <= parts.length && steps.length <= laterStepsMax;
    from += partsPerStep
  ) {
    steps.push(textOf(parts.slice(from, from + partsPerStep), laterCharactersMax));
  }
  return steps;
}

function textOf(parts: readonly PromptPart[], charactersMax: number): string {
  let text = "";
  for (const part of parts) text += `${sampleOf(part, charactersMax)}\u0000`;
  return text;
}

function sampleOf(part: PromptPart, charactersMax: number): string {
  switch (part.kind) {
    case "text":
      return sampled(part.text, charactersMax);
    case "media":
      return `${part.mediaType}:${sampled(part.reference, charactersMax)}`;
    case "tokens":
      return `${part.tokenIds.length}:${part.tokenIds.slice(0, sampleTokens).join()}`;
  }
}

function sampled(text: string, charactersMax: number): string {
  const { length } = text;
  if (length <= charactersMax) return text;
  const piece = charactersMax / 4;
  const middle = length >>> 1;
  const pieces = [text.slice(0, piece), text.slice(middle, middle + piece), text.slice(-2 * piece)];
  return `${length}:${pieces.join("")}`;
}

/** The whole slices of a prompt: its end may grow with the next request. */
function slicesOf(parts: readonly PromptPart[]): readonly string[] {
  const slices: string[] = [];
  for (const part of parts) {
    if (slices.length >= slicesMax) break;
    switch (part.kind) {
      case "text":
        addSlices(part.text, sliceCharacters, slices);
        break;
      case "tokens":
        addSlices(part.tokenIds, sliceTokens, slices);
        break;
      case "media":
        slices.push(sampleOf(part, laterCharactersMax));
    }
  }
  return slices;
}

function addSlices(units: string | readonly number[], length: number, slices: string[]): void {
  for (let end = length; end <= units.length && slices.length < slicesMax; end += length) {
    const at = end - length;
    slices.push(
      typeof units === "string"
        ? units.slice(at, at + sampleCharacters)
        : units.slice(at, at + sampleTokens).join(),
    );
  }
}
