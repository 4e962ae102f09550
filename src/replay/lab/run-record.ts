import type { Conversation, PlannedTurn } from "./conversation.ts";

/** The course of one request. Times are milliseconds after the run's start. */
export interface SentRequest {
  readonly conversation: number;
  /** When its conversation began. */
  readonly begunMs: number;
  readonly sentMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Tokens of the prompt that one cache without an end would hold. */
  readonly idealTokens: number;
  readonly adapter: string | undefined;
  readonly objective: string | undefined;
  /** The engine it was sent to last; undefined where it was refused. */
  slot: number | undefined;
  firstTokenMs: number | undefined;
  endedMs: number | undefined;
  cachedTokens: number | undefined;
  /** The reason of its failure. */
  failure: string | undefined;
}

export interface RunRecord {
  readonly sent: readonly SentRequest[];
  readonly endMs: number;
  /** Milliseconds of prefill by engine, at the engine's own speed. */
  readonly prefillMs: readonly number[];
}

interface SentFacts {
  readonly sentMs: number;
  readonly idealTokens: number;
}

/** A request that is sent now, of which nothing has come yet. */
export function sentNow(
  conversation: Conversation,
  { prompt, outputTokens }: PlannedTurn,
  { sentMs, idealTokens }: SentFacts,
): SentRequest {
  return {
    conversation: conversation.number,
    begunMs: conversation.atMs,
    sentMs,
    promptTokens: prompt.tokens,
    outputTokens,
    idealTokens,
    adapter: conversation.adapter,
    objective: conversation.objective,
    slot: undefined,
    firstTokenMs: undefined,
    endedMs: undefined,
    cachedTokens: undefined,
    failure: undefined,
  };
}
