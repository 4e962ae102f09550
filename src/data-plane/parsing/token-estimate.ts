import type { PromptPart } from "../../core/request.ts";

/** English text has about four bytes a token in the vocabularies of current models. */
const BYTES_PER_TOKEN = 4;

/**
 * Tokens of one image, recording or file: a picture of 640 x 360 at one token per 1,024 pixels,
 * which is also what the peer assumes. The real size would take decoding the media.
 */
const MEDIA_TOKENS = (640 * 360) / 1_024;

/** Prompt tokens of a request: each prompt's text in UTF-8 rounded up, plus its ids and media. */
export function promptTokensOf(prompts: readonly (readonly PromptPart[])[]): number {
  let tokens = 0;
  for (const parts of prompts) {
    let textBytes = 0;
    for (const part of parts) {
      if (part.kind === "text") textBytes += Buffer.byteLength(part.text);
      else tokens += part.kind === "tokens" ? part.tokenIds.length : MEDIA_TOKENS;
    }
    tokens += Math.ceil(textBytes / BYTES_PER_TOKEN);
  }
  return tokens;
}
