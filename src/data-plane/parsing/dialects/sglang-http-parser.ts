import type { RequestParser } from "../parser.ts";
import { sglangGenerate } from "./sglang-generate.ts";

/** What SGLang speaks beside the OpenAI API. */
export const sglangHttpParser: RequestParser = {
  type: "sglanghttp-parser",
  dialects: [sglangGenerate],
};
