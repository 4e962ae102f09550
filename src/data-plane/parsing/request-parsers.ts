import { anthropicParser } from "./dialects/anthropic-parser.ts";
import { openaiParser } from "./dialects/openai-parser.ts";
import type { RequestParser } from "./parser.ts";
import { passthroughParser } from "./dialects/passthrough-parser.ts";
import { sglangHttpParser } from "./dialects/sglang-http-parser.ts";
import { vllmHttpParser } from "./dialects/vllm-http-parser.ts";

/** All parsers that a configuration may list. */
export const requestParsers: readonly RequestParser[] = [
  openaiParser,
  anthropicParser,
  vllmHttpParser,
  sglangHttpParser,
  passthroughParser,
];
