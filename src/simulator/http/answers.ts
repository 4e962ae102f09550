import { outputTextOf, tokenTextOf } from "./answer-text.ts";
import type { InferenceCall } from "./inference-call.ts";

/** Common fields of the answers to one call, or of the events of its stream. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since the Unix epoch. */
  readonly createdAtS: number;
}

/** One prompt's result. */
export interface Output {
  readonly tokens: number;
  readonly cachedTokens: number;
}

/** The whole JSON answer to a call, in its API's shape. */
export function wholeAnswerOf(
  call: InferenceCall,
  head: AnswerHead,
  outputs: readonly Output[],
): Readonly<Record<string, unknown>> {
  const usage = usageOf(call, outputs);
  const { id, createdAtS: created } = head;
  const { model } = call;
  if (call.api === "embedding") {
    return { id, object: "list", created, model, data: embeddingsOf(call), usage };
  }
  const object = call.api === "chat" ? "chat.completion" : "text_completion";
  const choices = outputs.map(({ tokens }, index) => choiceOf(call, index, outputTextOf(tokens)));
  return { id, object, created, model, choices, usage };
}

function choiceOf({ api, finishReason }: InferenceCall, index: number, text: string): unknown {
  const rest = { logprobs: null, finish_reason: finishReason };
  if (api === "completion") return { index, text, ...rest };
  return { index, message: { role: "assistant", content: text }, ...rest };
}

function embeddingsOf({ prompts, dimensions }: InferenceCall): readonly unknown[] {
  return prompts.map(({ promptBlocks, promptTokens }, index) => ({
    object: "embedding",
    index,
    embedding: vectorOf(promptBlocks.at(-1) ?? promptTokens, dimensions),
  }));
}

/** Makes the server-sent events of a streamed chat or completion. */
export class StreamEvents {
  readonly #call: InferenceCall;
  readonly #head: Readonly<Record<string, unknown>>;

  constructor(call: InferenceCall, { id, createdAtS }: AnswerHead) {
    this.#call = call;
    const object = call.api === "chat" ? "chat.completion.chunk" : "text_completion";
    this.#head = { id, object, created: createdAtS, model: call.model };
  }

  /** Opens a choice: a chat sends its role before its first token, a completion sends nothing. */
  start(index: number): string {
    if (this.#call.api !== "chat") return "";
    return this.#choice({ index, delta: { role: "assistant", content: "" }, finish_reason: null });
  }

  /** The token at `position`, from 0, of the choice at `index`. */
  token(index: number, position: number): string {
    const text = tokenTextOf(position);
    return this.#choice(
      this.#call.api === "chat"
        ? { index, delta: { content: text }, finish_reason: null }
        : { index, text, logprobs: null, finish_reason: null },
    );
  }

  finish(index: number): string {
    const { finishReason: finish_reason } = this.#call;
    return this.#choice(
      this.#call.api === "chat"
        ? { index, delta: {}, finish_reason }
        : { index, text: "", logprobs: null, finish_reason },
    );
  }

  /** Closes the stream, with the usage first if the client has asked for it. */
  end(outputs: readonly Output[]): string {
    const done = "data: [DONE]\n\n";
    if (!this.#call.includesUsage) return done;
    const usage = usageOf(this.#call, outputs);
    return `data: ${JSON.stringify({ ...this.#head, choices: [], usage })}\n\n${done}`;
  }

  #choice(choice: unknown): string {
    return `data: ${JSON.stringify({ ...this.#head, choices: [choice] })}\n\n`;
  }
}

function usageOf(call: InferenceCall, outputs: readonly Output[]): unknown {
  let promptTokens = 0;
  let outputTokens = 0;
  let cachedTokens = 0;
  for (const prompt of call.prompts) promptTokens += prompt.promptTokens;
  for (const output of outputs) {
    outputTokens += output.tokens;
    cachedTokens += output.cachedTokens;
  }
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + outputTokens,
    completion_tokens: outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** A unit vector that depends on the prompt alone. */
function vectorOf(seed: number, dimensions: number): number[] {
  const angles = Array.from({ length: dimensions }, (_, index) => Math.sin(seed / 7 + index));
  const length = Math.hypot(...angles) || 1;
  return angles.map((value) => value / length);
}
