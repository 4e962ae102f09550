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

/** The answer to one call in the shape of its API, whole or as server-sent events. */
export interface AnswerFormat {
  /** The whole JSON answer. */
  whole(outputs: readonly Output[]): unknown;
  /** Events that precede the computation; "" for none. */
  opening(): string;
  /** Opens the output at `index`, before its first token. */
  start(index: number, cachedTokens: number): string;
  /** The token at `position`, from 0, of the output at `index`. */
  token(index: number, position: number): string;
  finish(index: number): string;
  /** Closes the stream. */
  end(outputs: readonly Output[]): string;
}

/** Tokens of a call with all its outputs. */
export interface TokenCounts {
  readonly prompt: number;
  readonly output: number;
  readonly cached: number;
}

export function countsOf({ prompts }: InferenceCall, outputs: readonly Output[]): TokenCounts {
  return {
    prompt: sum(prompts.map(({ promptTokens }) => promptTokens)),
    output: sum(outputs.map(({ tokens }) => tokens)),
    cached: sum(outputs.map(({ cachedTokens }) => cachedTokens)),
  };
}

/** One event with its name, as the newer APIs send them. */
export function namedEvent(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
