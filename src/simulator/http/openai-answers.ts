import { outputTextOf, tokenTextOf } from "./answer-text.ts";
import { type AnswerFormat, type AnswerHead, countsOf, type Output } from "./answers.ts";
import type { InferenceCall } from "./inference-call.ts";
import { argumentPiecesOf } from "./tool-calls.ts";

/** Answers of chats, completions and embeddings. */
export class OpenAiAnswers implements AnswerFormat {
  readonly #call: InferenceCall;
  readonly #head: AnswerHead;
  readonly #ofEvents: Readonly<Record<string, unknown>>;
  readonly #argumentPieces: readonly string[];

  constructor(call: InferenceCall, head: AnswerHead) {
    this.#call = call;
    this.#head = head;
    const object = call.api === "chat" ? "chat.completion.chunk" : "text_completion";
    const { id, createdAtS } = head;
    this.#ofEvents = { id, object, created: createdAtS, model: call.model };
    this.#argumentPieces = call.toolCall === undefined ? [] : argumentPiecesOf(call.toolCall);
  }

  whole(outputs: readonly Output[]): unknown {
    const call = this.#call;
    const usage = usageOf(call, outputs);
    const { id, createdAtS: created } = this.#head;
    const { model } = call;
    if (call.api === "embedding") {
      return { id, object: "list", created, model, data: embeddingsOf(call), usage };
    }
    const object = call.api === "chat" ? "chat.completion" : "text_completion";
    const choices = outputs.map(({ tokens }, index) => this.#wholeChoice(index, tokens));
    return { id, object, created, model, choices, usage };
  }

  opening(): string {
    return "";
  }

  /** A chat sends its role before its first token, a completion sends nothing. */
  start(index: number): string {
    if (this.#call.api !== "chat") return "";
    return this.#choice({ index, delta: { role: "assistant", content: "" }, finish_reason: null });
  }

  token(index: number, position: number): string {
    const { api, toolCall } = this.#call;
    const text = tokenTextOf(position);
    if (api !== "chat") {
      return this.#choice({ index, text, logprobs: null, finish_reason: null });
    }
    const delta = toolCall === undefined ? { content: text } : this.#callDelta(position);
    return this.#choice({ index, delta, finish_reason: null });
  }

  finish(index: number): string {
    const { finishReason: finish_reason } = this.#call;
    return this.#choice(
      this.#call.api === "chat"
        ? { index, delta: {}, finish_reason }
        : { index, text: "", logprobs: null, finish_reason },
    );
  }

  /** The usage is sent only if the client has asked for it. */
  end(outputs: readonly Output[]): string {
    const done = "data: [DONE]\n\n";
    if (!this.#call.includesUsage) return done;
    const usage = usageOf(this.#call, outputs);
    return `data: ${JSON.stringify({ ...this.#ofEvents, choices: [], usage })}\n\n${done}`;
  }

  #choice(choice: unknown): string {
    return `data: ${JSON.stringify({ ...this.#ofEvents, choices: [choice] })}\n\n`;
  }

  #wholeChoice(index: number, tokens: number): unknown {
    const { api, toolCall, finishReason } = this.#call;
    const rest = { logprobs: null, finish_reason: finishReason };
    if (api === "completion") return { index, text: outputTextOf(tokens), ...rest };
    if (toolCall === undefined) {
      const message = { role: "assistant", content: outputTextOf(tokens) };
      return { index, message, ...rest };
    }
    const called = { name: toolCall.name, arguments: toolCall.argumentsText };
    const calls = [{ id: this.#callId, type: "function", function: called }];
    return { index, message: { role: "assistant", content: null, tool_calls: calls }, ...rest };
  }

  /** The name comes first, the arguments in pieces. */
  #callDelta(position: number): unknown {
    const piece = this.#argumentPieces[position - 1] ?? "";
    if (position > 0) return { tool_calls: [{ index: 0, function: { arguments: piece } }] };
    const called = { name: this.#call.toolCall?.name, arguments: "" };
    return { tool_calls: [{ id: this.#callId, type: "function", index: 0, function: called }] };
  }

  get #callId(): string {
    return toolCallIdOf(this.#head);
  }
}

/** In vLLM's format. */
export function toolCallIdOf({ id }: AnswerHead): string {
  return `chatcmpl-tool-${id}`;
}

function embeddingsOf({ prompts, dimensions }: InferenceCall): readonly unknown[] {
  return prompts.map(({ promptBlocks, promptTokens }, index) => ({
    object: "embedding",
    index,
    embedding: vectorOf(promptBlocks.at(-1) ?? promptTokens, dimensions),
  }));
}

function usageOf(call: InferenceCall, outputs: readonly Output[]): unknown {
  const { prompt, output, cached } = countsOf(call, outputs);
  return {
    prompt_tokens: prompt,
    total_tokens: prompt + output,
    completion_tokens: output,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

/** A unit vector that depends on the prompt alone. */
function vectorOf(seed: number, dimensions: number): number[] {
  const angles = Array.from({ length: dimensions }, (_, index) => Math.sin(seed / 7 + index));
  const length = Math.hypot(...angles) || 1;
  return angles.map((value) => value / length);
}
