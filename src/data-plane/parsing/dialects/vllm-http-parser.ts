import type { RequestParser } from "../parser.ts";
import { vllmGenerate } from "./vllm-generate.ts";

/** vLLM's native API, whose prompts are tokens. */
export const vllmHttpParser: RequestParser = {
  type: "vllmhttp-parser",
  dialects: [vllmGenerate],
};
