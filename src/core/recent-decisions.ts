import type { ActualRecord, PredictedRecord } from "./decision-record.ts";

/** A decision in a line; its record has the rest. */
export interface DecisionLine {
  readonly id: number;
  readonly requestId: string;
  /** Monotonic milliseconds. */
  readonly atMs: number;
  readonly model: string;
  readonly priority: number;
  readonly promptTokens: number;
  readonly candidates: number;
  /** Id of the endpoint that got the request; undefined if it was refused. */
  readonly picked: string | undefined;
  readonly predicted: PredictedRecord | undefined;
  readonly actual: ActualRecord | undefined;
}

/** Answers of one endpoint. */
export interface AnswerSums {
  readonly answers: number;
  /** Tokens of the answers that report cached tokens. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Answers with a time to first token, and the sum of these times. */
  readonly ttftCount: number;
  readonly ttftMs: number;
}

export interface RecentDecisions {
  /** Decisions since the start of the process. */
  readonly count: number;
  /** Newest first. */
  readonly lines: readonly DecisionLine[];
  /** By `ip:port`, of the last 1,000 decisions. */
  readonly answers: ReadonlyMap<string, AnswerSums>;
}
