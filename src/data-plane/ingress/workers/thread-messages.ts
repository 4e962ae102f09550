import type { AnswerFailure } from "../../../core/answer-failure.ts";
import type { HeaderChange } from "../../../core/decision.ts";
import type { ErrorCode, Refusal } from "../../../core/errors.ts";
import type { BodyRules, SeenBody } from "../../../core/parse-result.ts";
import type { EndedBy, RequestEnd } from "../../../core/request-record.ts";
import type { HeaderPair, RequestHead } from "../../../core/request.ts";
import type { IdentityOptions } from "../../../listening/server-identity.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import type { AnsweredRequest } from "../../answer.ts";

/** Number of a request in its worker. */
type RequestId = number;

/** A request's head; its headers are names and values in turns. */
export type SentHead = Omit<RequestHead, "headers"> & { readonly headers: readonly string[] };

/** The head of a response, as the worker reads it. */
export interface ReportedHead {
  readonly httpStatus: number | undefined;
  readonly servedBy: string | undefined;
  readonly isUnreached: boolean;
  readonly retryAfterMs: number | undefined;
  readonly isEventStream: boolean;
  /** True if the model was rewritten but the body is compressed. */
  readonly keepsTargetName: boolean;
}

/** The response so far. */
export interface ReportedProgress {
  readonly responseBytes: number;
  readonly responseChunks: number;
  /** True once the first token has arrived. */
  readonly hasBegun: boolean;
}

/** The response at its end. */
export interface ReportedEnd extends ReportedProgress {
  readonly end: RequestEnd;
  readonly endedBy: EndedBy | undefined;
  /** Time since the last chunk; undefined if there was none. */
  readonly lastChunkAgeMs: number | undefined;
  readonly usage: TokenUsage | undefined;
  /** Id of the response or conversation; undefined if its API has none. */
  readonly answerId: string | undefined;
  readonly failure: AnswerFailure | undefined;
}

/** A step of a request in a worker. Steps of one request come in this order, and the last one always comes. */
export type RequestStep =
  | {
      readonly kind: "opened";
      readonly id: RequestId;
      readonly head: SentHead;
      readonly showsAnswer: boolean;
    }
  | { readonly kind: "decide"; readonly id: RequestId; readonly body: SeenBody }
  | {
      readonly kind: "refused";
      readonly id: RequestId;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | {
      readonly kind: "head";
      readonly id: RequestId;
      readonly head: ReportedHead;
      /** True if the worker waits for the headers to set. */
      readonly waits: boolean;
    }
  /** The proxy sends no more; the step before has no answer yet. */
  | { readonly kind: "left"; readonly id: RequestId }
  | { readonly kind: "begun"; readonly id: RequestId; readonly progress: ReportedProgress }
  /** The response has grown by as many chunks as the main thread asked for. */
  | { readonly kind: "grown"; readonly id: RequestId; readonly progress: ReportedProgress }
  | { readonly kind: "ended"; readonly id: RequestId; readonly end: ReportedEnd };

/** The main thread's answer to a step. */
export type Verdict =
  | {
      readonly kind: "routed";
      readonly id: RequestId;
      readonly hostPorts: readonly string[];
      /** Changes for the first target. */
      readonly headers: HeaderChange;
      readonly body: Uint8Array | undefined;
      readonly answer: AnsweredRequest;
      /** True if the head of the response has to wait for headers to set. */
      readonly setsHeaders: boolean;
      /** Chunks of the response between two reports of its size; undefined for no report before its end. */
      readonly reportedChunks: number | undefined;
    }
  | { readonly kind: "refused"; readonly id: RequestId; readonly refusal: Refusal }
  | { readonly kind: "evicted"; readonly id: RequestId; readonly refusal: Refusal }
  | { readonly kind: "gone"; readonly id: RequestId }
  | { readonly kind: "headers"; readonly id: RequestId; readonly set: readonly HeaderPair[] };

/** The start of a worker. `options` are those of the protocol. */
export interface WorkerStart<Options = unknown> {
  readonly index: number;
  /** IP address to listen on. */
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly rules: BodyRules;
  readonly isReady: boolean;
  /** The memory of `StreamCounts`. */
  readonly counts: SharedArrayBuffer;
  readonly options: Options;
}

export type ToWorker =
  | { readonly kind: "verdicts"; readonly verdicts: readonly Verdict[] }
  | { readonly kind: "rules"; readonly rules: BodyRules }
  | { readonly kind: "ready"; readonly isReady: boolean }
  /** Answers a probe at once, behind all that was posted before it. */
  | { readonly kind: "answered"; readonly probeAtMs: number }
  | { readonly kind: "identity"; readonly options: IdentityOptions }
  /** Asks for a sign of life, `pong`. */
  | { readonly kind: "ping" }
  | { readonly kind: "drain" | "go-away" };

export type FromWorker =
  | { readonly kind: "steps"; readonly steps: readonly RequestStep[] }
  | { readonly kind: "probe"; readonly probeAtMs: number }
  | { readonly kind: "pong" }
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "not-listening"; readonly reason: string }
  | { readonly kind: "log"; readonly fields: object; readonly message: string };
