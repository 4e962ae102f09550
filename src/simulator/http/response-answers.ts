import type { JsonRecord } from "../json.ts";
import { outputTextOf, tokenTextOf } from "./answer-text.ts";
import {
  type AnswerFormat,
  type AnswerHead,
  countsOf,
  namedEvent,
  type Output,
} from "./answers.ts";
import { assistantMessage, type StoredResponse } from "./conversation.ts";
import type { InferenceCall } from "./inference-call.ts";
import { argumentPiecesOf } from "./tool-calls.ts";

/** Answers of the Responses API, with one output item each. */
export class ResponseAnswers implements AnswerFormat {
  readonly #call: InferenceCall;
  readonly #head: AnswerHead;
  readonly #store: (id: string, stored: StoredResponse) => void;
  readonly #argumentPieces: readonly string[];
  #events = 0;

  /** `store` gets the response once it is complete, unless the client has forbidden it. */
  constructor(
    call: InferenceCall,
    head: AnswerHead,
    store: (id: string, stored: StoredResponse) => void,
  ) {
    this.#call = call;
    this.#head = head;
    this.#store = store;
    this.#argumentPieces = call.toolCall === undefined ? [] : argumentPiecesOf(call.toolCall);
  }

  whole(outputs: readonly Output[]): JsonRecord {
    const { finishReason, body, messages, toolCall } = this.#call;
    const { id } = this.#head;
    const text = outputTextOf(outputs[0]?.tokens ?? 0);
    const isCut = finishReason === "length";
    const response = this.#response({
      status: isCut ? "incomplete" : "completed",
      incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
      output: [this.#item("completed", text)],
      usage: this.#usageOf(outputs),
    });
    if (body["store"] !== false) {
      const answer = assistantMessage(toolCall === undefined ? text : null, toolCall);
      this.#store(id, { response, messages: [...messages, answer] });
    }
    return response;
  }

  /** As in vLLM, these events are sent before the prompt is computed. */
  opening(): string {
    const response = this.#response({ status: "in_progress", output: [], usage: null });
    return (
      this.#event("response.created", { response }) +
      this.#event("response.in_progress", { response })
    );
  }

  start(): string {
    const added = this.#event("response.output_item.added", {
      output_index: 0,
      item: this.#item("in_progress", undefined),
    });
    if (this.#call.toolCall !== undefined) return added;
    const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
    return added + this.#event("response.content_part.added", { ...this.#ofText, part });
  }

  token(_: number, position: number): string {
    if (this.#call.toolCall === undefined) {
      const delta = tokenTextOf(position);
      return this.#event("response.output_text.delta", { ...this.#ofText, delta, logprobs: [] });
    }
    // The first token is the name, which the item has.
    if (position === 0) return "";
    const delta = this.#argumentPieces[position - 1] ?? "";
    return this.#event("response.function_call_arguments.delta", { ...this.#ofItem, delta });
  }

  finish(): string {
    const { toolCall, outputTokens } = this.#call;
    const text = outputTextOf(outputTokens);
    const item = this.#item("completed", text);
    const done = { output_index: 0, item };
    if (toolCall !== undefined) {
      const { name, argumentsText } = toolCall;
      const whole = { ...this.#ofItem, name, arguments: argumentsText };
      return (
        this.#event("response.function_call_arguments.done", whole) +
        this.#event("response.output_item.done", done)
      );
    }
    const part = { type: "output_text", text, annotations: [] };
    return (
      this.#event("response.output_text.done", { ...this.#ofText, text, logprobs: [] }) +
      this.#event("response.content_part.done", { ...this.#ofText, part }) +
      this.#event("response.output_item.done", done)
    );
  }

  end(outputs: readonly Output[]): string {
    return this.#event("response.completed", { response: this.whole(outputs) });
  }

  #event(type: string, fields: object): string {
    const sequence_number = this.#events;
    this.#events += 1;
    return namedEvent(type, { sequence_number, ...fields });
  }

  get #itemId(): string {
    return `${this.#call.toolCall === undefined ? "msg" : "fc"}_${this.#head.id}`;
  }

  get #ofItem(): object {
    return { item_id: this.#itemId, output_index: 0 };
  }

  get #ofText(): object {
    return { ...this.#ofItem, content_index: 0 };
  }

  /** `text`: undefined at the start of the item. */
  #item(status: string, text: string | undefined): object {
    const { toolCall } = this.#call;
    const id = this.#itemId;
    if (toolCall !== undefined) {
      const { name, argumentsText } = toolCall;
      const written = text === undefined ? "" : argumentsText;
      const called = { call_id: `call_${this.#head.id}`, name, arguments: written };
      return { type: "function_call", id, ...called, status };
    }
    const content = text === undefined ? [] : [{ type: "output_text", text, annotations: [] }];
    return { id, type: "message", role: "assistant", status, content };
  }

  #response(fields: object): JsonRecord {
    const { model, body, outputTokens } = this.#call;
    const { id, createdAtS } = this.#head;
    return {
      id,
      created_at: createdAtS,
      error: null,
      incomplete_details: null,
      instructions: body["instructions"] ?? null,
      metadata: body["metadata"] ?? null,
      model,
      object: "response",
      parallel_tool_calls: body["parallel_tool_calls"] ?? true,
      temperature: body["temperature"] ?? 1,
      tool_choice: body["tool_choice"] ?? "auto",
      tools: body["tools"] ?? [],
      top_p: body["top_p"] ?? 1,
      background: false,
      max_output_tokens: body["max_output_tokens"] ?? outputTokens,
      previous_response_id: body["previous_response_id"] ?? null,
      service_tier: "auto",
      truncation: body["truncation"] ?? "disabled",
      ...fields,
    };
  }

  #usageOf(outputs: readonly Output[]): unknown {
    const { prompt, output, cached } = countsOf(this.#call, outputs);
    return {
      input_tokens: prompt,
      input_tokens_details: { cached_tokens: cached },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: prompt + output,
    };
  }
}
