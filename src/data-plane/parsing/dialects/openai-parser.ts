import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { conversations } from "./conversations.ts";
import { embeddings } from "./embeddings.ts";
import { images } from "./images.ts";
import type { RequestParser } from "../parser.ts";
import { responses } from "./responses.ts";

/** The OpenAI API, which most engines speak. */
export const openaiParser: RequestParser = {
  type: "openai-parser",
  dialects: [chat, completions, embeddings, responses, conversations, images],
};
