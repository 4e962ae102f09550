import { barePathOf } from "./dialect-paths.ts";

/**
 * Suffixes of paths whose APIs have an optional `model`, which is all that is read. Sources: the routes of vLLM and
 * SGLang, and the OpenAI API.
 */
const modelPath =
  /\/(?:rerank|score|tokenize|detokenize|pooling|classify|moderations|audio\/(?:speech|transcriptions|translations)|images\/(?:edits|variations))$/u;

/** True if a body without a model may be given one. */
export function takesModel(path: string): boolean {
  return modelPath.test(barePathOf(path));
}
