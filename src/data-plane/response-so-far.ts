import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { TokenUsage } from "../core/usage.ts";
import type { AnswerView } from "./answer.ts";

/** Assumed tokens of an answer without a limit. */
export const usualTokens = 512;

/** The size of a response that is read elsewhere. */
export interface ResponseProgress {
  readonly responseBytes: number;
  readonly responseChunks: number;
  /** Time since the last chunk; 0 if it has just arrived. */
  readonly lastChunkAgeMs?: number | undefined;
}

type ResponseFacts = Pick<
  RequestRecord,
  | "httpStatus"
  | "failure"
  | "servedBy"
  | "keepsTargetName"
  | "usage"
  | "answerId"
  | "responseBytes"
  | "responseChunks"
  | "responseHeadMs"
  | "firstTokenMs"
  | "lastChunkMs"
  | "end"
  | "endedBy"
>;

/** The response to one request so far; all times are monotonic milliseconds. */
export class ResponseSoFar {
  /** Undefined until the head of the response; a proxy may send a body before its head, or without one. */
  answer: AnswerView | undefined;
  headMs: number | undefined;
  bytes = 0;
  #chunks = 0;
  #firstTokenMs: number | undefined;
  #lastChunkMs: number | undefined;

  read(chunk: Uint8Array, nowMs: number): void {
    this.#lastChunkMs = nowMs;
    this.bytes += chunk.length;
    this.#chunks += 1;
    this.answer?.read(chunk);
  }

  /** Takes over the size of a response that is read elsewhere. */
  grown(
    { responseBytes, responseChunks, lastChunkAgeMs = 0 }: ResponseProgress,
    nowMs: number,
  ): void {
    this.bytes = responseBytes;
    this.#chunks = responseChunks;
    if (responseChunks > 0) this.#lastChunkMs = nowMs - lastChunkAgeMs;
  }

  /** True if the first token was found since the last call. */
  hasJustBegun(nowMs: number): boolean {
    if (this.#firstTokenMs !== undefined || this.answer?.hasBegun !== true) return false;
    this.#firstTokenMs = nowMs;
    return true;
  }

  /** Share of the answer that has passed, a chunk for each token. `tokensMax`: the limit that the client sets. */
  progress(tokensMax = usualTokens): number {
    return Math.min(1, this.#chunks / Math.max(1, tokensMax));
  }

  /** The engine's count of tokens, once its answer has it, and the size so far. */
  get received(): { readonly usage: TokenUsage | undefined; readonly responseBytes: number } {
    return { usage: this.answer?.usage, responseBytes: this.bytes };
  }

  /** Its part of the record of the request, at the end that the ingress saw. */
  facts(end: RequestEnd, endedBy: EndedBy): ResponseFacts {
    const { answer } = this;
    return {
      httpStatus: answer?.httpStatus,
      failure: answer?.failure,
      servedBy: answer?.servedBy,
      keepsTargetName: answer?.keepsTargetName === true,
      usage: answer?.usage,
      answerId: answer?.id,
      responseBytes: this.bytes,
      responseChunks: this.#chunks,
      responseHeadMs: this.headMs,
      firstTokenMs: this.#firstTokenMs,
      lastChunkMs: this.#lastChunkMs,
      ...(answer?.endAsRead(end, endedBy) ?? {
        end,
        endedBy: end === "aborted" ? endedBy : undefined,
      }),
    };
  }
}
