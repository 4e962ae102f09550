import type { PromptPart } from "./request.ts";

/** English text has about four bytes a token in the vocabularies of current models. */
export const bytesPerToken = 4;

/**
 * Tokens of one image, recording or file: a picture of 640 x 360 at one token per 1,024 pixels, which the peer assumes
 * too. The real size is unknown without decoding the media.
 */
export const mediaTokens = (640 * 360) / 1_024;

/**
 * Prompt tokens of a request: an estimate by the UTF-8 bytes of each prompt's text, rounded up, plus its ids and media.
 */
export function promptTokensOf(
  prompts: readonly (readonly PromptPart[])[],
  mediaTokensOf: (part: Extract<PromptPart, { kind: "media" }>) => number = () => mediaTokens,
): number {
  let tokens = 0;
  for (const parts of prompts) {
    let textBytes = 0;
    for (const part of parts) {
      if (part.kind === "text") textBytes += Buffer.byteLength(part.text);
      else tokens += part.kind === "tokens" ? part.tokenIds.length : mediaTokensOf(part);
    }
    tokens += Math.ceil(textBytes / bytesPerToken);
  }
  return tokens;
}

/** Tokens of one part of a prompt, not rounded; media count as none. */
export function partTokensOf(part: PromptPart): number {
  if (part.kind === "text") return Buffer.byteLength(part.text) / bytesPerToken;
  return part.kind === "tokens" ? part.tokenIds.length : 0;
}
