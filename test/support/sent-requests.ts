import type { SentRequest } from "../../src/state/health/watched-request.ts";

/** A short prompt whose work is known completely. */
export const aSentRequest: SentRequest = {
  client: undefined,
  kind: undefined,
  isStreaming: true,
  model: "llama",
  promptTokens: 100,
  tokensMin: 100,
  tokensMax: 100,
};
