import type { ServerResponse } from "node:http";
import type { EngineRunner, RunnerEvent, RunnerResult } from "../engine-runner.ts";
import type { AnswerFormat, Output } from "./answers.ts";
import { errorShapeOf, type InferenceApi, type InferenceCall } from "./inference-call.ts";
import { type ErrorReply, eventStreamHeaders, replyError, replyJson } from "./replies.ts";

export interface Inference {
  readonly call: InferenceCall;
  readonly format: AnswerFormat;
  readonly runner: EngineRunner;
  readonly response: ServerResponse;
  /** The stream is cut off after this many tokens; 0 for never. */
  readonly dieAfterTokens: number;
  /** The head of a stream is sent before its first token. */
  readonly earlyHead: boolean;
}

/** Runs a call in the engine and answers it, whole or as a stream; ends it if the client leaves. */
export function answerInference(inference: Inference): void {
  const { call, runner, response } = inference;
  // A client that left while its body was read has had its "close" already.
  if (response.socket?.destroyed !== false) return;
  if (call.priority !== 0 && !runner.options.priorityScheduling) {
    const message = `Got priority ${call.priority} but Priority scheduling is not enabled.`;
    return replyError(response, { httpStatus: 400, message }, errorShapeOf(call.api));
  }
  const answer = call.isStream ? new StreamedAnswer(inference) : new WholeAnswer(inference);
  const cancels: (() => void)[] = [];
  response.once("close", () => {
    for (const cancel of cancels) cancel();
  });
  for (const [index, prompt] of call.prompts.entries()) {
    const result = runner.submit(
      {
        ...prompt,
        outputTokens: call.outputTokens,
        adapter: call.adapter,
        priority: call.priority,
        reportsTokens: call.isStream,
      },
      (event) => {
        if (event.kind === "finished") {
          runner.stats.ended(call.finishReason === "length" ? "length" : "stop");
        }
        if (event.kind === "failed") runner.stats.ended("error");
        answer.hear(index, event);
      },
    );
    if (result.kind === "rejected") {
      for (const cancel of cancels.splice(0)) cancel();
      const error = rejectionOf(result, call.outputTokens + prompt.promptTokens);
      replyError(response, error, errorShapeOf(call.api));
      return;
    }
    cancels.push(result.cancel);
  }
  answer.accepted();
}

function rejectionOf(
  result: Extract<RunnerResult, { readonly kind: "rejected" }>,
  tokens: number,
): ErrorReply {
  if (result.reason === "queue-full") {
    return { httpStatus: 503, message: "The engine's waiting queue is full." };
  }
  const message =
    `This model's maximum context length is ${result.contextTokensMax} tokens. ` +
    `However, you requested ${tokens} tokens.`;
  return { httpStatus: 400, message };
}

/** Collects the outputs and answers once all are complete. */
class WholeAnswer {
  readonly #inference: Inference;
  readonly #outputs: Output[] = [];
  #finished = 0;

  constructor(inference: Inference) {
    this.#inference = inference;
  }

  accepted(): void {
    // Nothing is sent before the end.
  }

  hear(index: number, event: RunnerEvent): void {
    const { call, format, response } = this.#inference;
    if (event.kind === "failed") return replyRestarted(response, call.api);
    if (event.kind !== "finished") return undefined;
    this.#outputs[index] = { tokens: event.outputTokens, cachedTokens: event.cachedTokens };
    this.#finished += 1;
    if (this.#finished < call.prompts.length) return undefined;
    return replyJson(response, 200, format.whole(this.#outputs));
  }
}

/** Writes each token as it comes. */
class StreamedAnswer {
  readonly #inference: Inference;
  readonly #outputs: Output[] = [];
  #finished = 0;
  #tokens = 0;

  constructor(inference: Inference) {
    this.#inference = inference;
  }

  accepted(): void {
    const { format, response, earlyHead } = this.#inference;
    if (earlyHead) {
      this.#start();
      response.flushHeaders();
    }
    const opening = format.opening();
    if (opening === "") return;
    this.#start();
    response.write(opening);
  }

  hear(index: number, event: RunnerEvent): void {
    const { response, call, format } = this.#inference;
    if (response.destroyed) return;
    switch (event.kind) {
      case "failed":
        replyRestarted(response, call.api);
        break;
      case "first-token":
        this.#start();
        this.#write(format.start(index, event.cachedTokens) + format.token(index, 0));
        break;
      case "token":
        this.#write(format.token(index, event.outputTokens - 1));
        break;
      case "finished":
        this.#outputs[index] = { tokens: event.outputTokens, cachedTokens: event.cachedTokens };
        this.#finish(index);
        break;
      case "admitted":
      case "preempted":
        break;
    }
  }

  #start(): void {
    const { response } = this.#inference;
    if (response.headersSent) return;
    response.writeHead(200, eventStreamHeaders);
  }

  /** Writes the events of one more token. */
  #write(text: string): void {
    const { response, dieAfterTokens } = this.#inference;
    this.#tokens += 1;
    if (dieAfterTokens > 0 && this.#tokens > dieAfterTokens) return;
    if (this.#tokens !== dieAfterTokens) response.write(text);
    // The last token reaches the client before the connection breaks without an end.
    else response.write(text, () => response.destroy());
  }

  #finish(index: number): void {
    const { call, format, response, dieAfterTokens } = this.#inference;
    this.#finished += 1;
    // The connection is already being broken.
    if (dieAfterTokens > 0 && this.#tokens >= dieAfterTokens) return;
    const closing = format.finish(index);
    if (this.#finished < call.prompts.length) response.write(closing);
    else response.end(closing + format.end(this.#outputs));
  }
}

/** Answers a request that a restart interrupts: with an error, or a cut if an answer has begun. */
function replyRestarted(response: ServerResponse, api: InferenceApi): void {
  if (response.headersSent) return void response.destroy();
  const error = { httpStatus: 500, message: "The engine has restarted." };
  replyError(response, error, errorShapeOf(api));
}
