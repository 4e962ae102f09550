import { barePathOf } from "./dialect-paths.ts";

/**
 * Ends of paths whose APIs take a `model` that may be left out, and of which nothing else is read;
 * sources: the routes of vLLM and SGLang, and the OpenAI API.
 */
const modelPath =
  /\/(?:rerank|score|tokenize|detokenize|pooling|classify|moderations|audio\/(?:speech|transcriptions|translations)|images\/(?:edits|variations))$/u;

/** True if a body without a model may be given one. */
export function takesModel(path: string): boolean {
  return modelPath.test(barePathOf(path));
}
