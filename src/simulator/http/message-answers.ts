import { outputTextOf, tokenTextOf } from "./answer-text.ts";
import {
  type AnswerFormat,
  type AnswerHead,
  countsOf,
  namedEvent,
  type Output,
} from "./answers.ts";
import type { InferenceCall } from "./inference-call.ts";
import { toolCallIdOf } from "./openai-answers.ts";
import { argumentPiecesOf } from "./tool-calls.ts";

const stopReasons: Readonly<Record<InferenceCall["finishReason"], string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
};

/** Answers of Anthropic's API, with one block each. */
export class MessageAnswers implements AnswerFormat {
  readonly #call: InferenceCall;
  readonly #head: AnswerHead;
  readonly #argumentPieces: readonly string[];

  constructor(call: InferenceCall, head: AnswerHead) {
    this.#call = call;
    this.#head = head;
    this.#argumentPieces = call.toolCall === undefined ? [] : argumentPiecesOf(call.toolCall);
  }

  whole(outputs: readonly Output[]): unknown {
    const { toolCall } = this.#call;
    const text = outputTextOf(outputs[0]?.tokens ?? 0);
    const block =
      toolCall === undefined
        ? { type: "text", text }
        : this.#toolUse(toolCall.name, JSON.parse(toolCall.argumentsText));
    return {
      ...this.#message(this.#usageOf(outputs)),
      content: [block],
      stop_reason: stopReasons[this.#call.finishReason],
    };
  }

  opening(): string {
    return "";
  }

  start(_: number, cachedTokens: number): string {
    const { toolCall } = this.#call;
    const message = this.#message(this.#usageOf([{ tokens: 0, cachedTokens }]));
    const block =
      toolCall === undefined ? { type: "text", text: "" } : this.#toolUse(toolCall.name, {});
    return (
      namedEvent("message_start", { message }) +
      namedEvent("content_block_start", { index: 0, content_block: block })
    );
  }

  token(_: number, position: number): string {
    if (this.#call.toolCall === undefined) {
      return delta({ type: "text_delta", text: tokenTextOf(position) });
    }
    // The first token is the name, which the start of the block has.
    if (position === 0) return "";
    const piece = this.#argumentPieces[position - 1] ?? "";
    return delta({ type: "input_json_delta", partial_json: piece });
  }

  finish(): string {
    return namedEvent("content_block_stop", { index: 0 });
  }

  end(outputs: readonly Output[]): string {
    const stop = { stop_reason: stopReasons[this.#call.finishReason], stop_sequence: null };
    const usage = this.#usageOf(outputs);
    return namedEvent("message_delta", { delta: stop, usage }) + namedEvent("message_stop", {});
  }

  #message(usage: unknown): object {
    const { model } = this.#call;
    const rest = { content: [], model, stop_reason: null, stop_sequence: null, usage };
    return { id: this.#head.id, type: "message", role: "assistant", ...rest };
  }

  #toolUse(name: string, input: unknown): object {
    return { type: "tool_use", id: toolCallIdOf(this.#head), name, input };
  }

  /** Anthropic's input does not contain the cached tokens. */
  #usageOf(outputs: readonly Output[]): unknown {
    const { prompt, output, cached } = countsOf(this.#call, outputs);
    return {
      input_tokens: prompt - cached,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: cached,
      output_tokens: output,
    };
  }
}

function delta(change: object): string {
  return namedEvent("content_block_delta", { index: 0, delta: change });
}
