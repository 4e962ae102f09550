import type { ResponseHeadSeen } from "../../data-plane/answer.ts";

/** The base model of the engines. */
export const model = "sim-model";

/** An engine's report about a finished request. */
export interface Usage {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Undefined where the engine does not tell it. */
  readonly cachedTokens: number | undefined;
}

export const streamHead: ResponseHeadSeen = headOf(200, "text/event-stream; charset=utf-8");
export const wholeHead: ResponseHeadSeen = headOf(200, "application/json");
export const refusedHead: ResponseHeadSeen = headOf(400, "application/json");
export const overloadedHead: ResponseHeadSeen = headOf(503, "application/json");

const object = "chat.completion.chunk";

/** A piece of an answer that is under way. */
export const tokenChunk = eventOf({
  object,
  model,
  choices: [{ index: 0, delta: { content: "lorem" }, finish_reason: null }],
});

const lastToken = eventOf({
  object,
  model,
  choices: [{ index: 0, delta: { content: "." }, finish_reason: "length" }],
});

/** The last bytes of a stream, with the usage. */
export function streamEnd(usage: Usage | undefined): Buffer {
  const told = eventOf({ object, model, choices: [], usage: usage && usageOf(usage) });
  return Buffer.concat([lastToken, told, Buffer.from("data: [DONE]\n\n")]);
}

/** An answer that comes in one piece. */
export function wholeAnswer(usage: Usage | undefined): Buffer {
  const choices = [
    { index: 0, message: { role: "assistant", content: "lorem" }, finish_reason: "length" },
  ];
  const told = usage && usageOf(usage);
  const answer = { object: "chat.completion", model, choices, usage: told };
  return Buffer.from(JSON.stringify(answer));
}

function headOf(httpStatus: number, contentType: string): ResponseHeadSeen {
  return {
    httpStatus,
    headers: new Map([["content-type", contentType]]),
    servedBy: undefined,
    showsBody: true,
    showsWholeBody: true,
  };
}

function usageOf({ promptTokens, outputTokens, cachedTokens }: Usage): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
    ...(cachedTokens === undefined
      ? {}
      : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}

function eventOf(event: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
}
