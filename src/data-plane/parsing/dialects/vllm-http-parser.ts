import type { RequestParser } from "../parser.ts";
import { vllmGenerate } from "./vllm-generate.ts";

/** What vLLM speaks beside the OpenAI API: prompts that are tokens already. */
export const vllmHttpParser: RequestParser = {
  type: "vllmhttp-parser",
  dialects: [vllmGenerate],
};
