import type { AnswerFormat, AnswerHead } from "./answers.ts";
import type { StoredResponse } from "./conversation.ts";
import type { InferenceApi, InferenceCall } from "./inference-call.ts";
import { MessageAnswers } from "./message-answers.ts";
import { OpenAiAnswers } from "./openai-answers.ts";
import { ResponseAnswers } from "./response-answers.ts";

/** Prefixes of the ids of answers, as in vLLM, whose messages are chats. */
export const idPrefixes: Readonly<Record<InferenceApi, string>> = {
  chat: "chatcmpl-",
  completion: "cmpl-",
  embedding: "embd-",
  response: "resp_",
  message: "chatcmpl-",
  count: "",
};

/** The answer to a call in the shape of its API. `store` keeps complete responses. */
export function answerFormatOf(
  call: InferenceCall,
  head: AnswerHead,
  store: (id: string, stored: StoredResponse) => void,
): AnswerFormat {
  if (call.api === "response") return new ResponseAnswers(call, head, store);
  return call.api === "message" ? new MessageAnswers(call, head) : new OpenAiAnswers(call, head);
}
