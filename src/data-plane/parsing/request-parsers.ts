import { anthropicParser } from "./anthropic-parser.ts";
import { openaiParser } from "./openai-parser.ts";
import type { RequestParser } from "./parser.ts";
import { passthroughParser } from "./passthrough-parser.ts";
import { sglangHttpParser } from "./sglang-http-parser.ts";
import { vllmHttpParser } from "./vllm-http-parser.ts";

/** Every parser that a configuration may list. */
export const REQUEST_PARSERS: readonly RequestParser[] = [
  openaiParser,
  anthropicParser,
  vllmHttpParser,
  sglangHttpParser,
  passthroughParser,
];
