import type { RequestParser } from "../parser.ts";
import { sglangGenerate } from "./sglang-generate.ts";

/** SGLang's native API. */
export const sglangHttpParser: RequestParser = {
  type: "sglanghttp-parser",
  dialects: [sglangGenerate],
};
