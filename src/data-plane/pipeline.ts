import type { Decision, Outcome } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { ErrorCode, Refusal } from "../core/errors.ts";
import type { LoadSnapshot } from "../core/load.ts";
import type { ParseResult } from "../core/parse-result.ts";
import type { RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { HeaderValues, InferenceRequest, RequestHead } from "../core/request.ts";
import type { TokenUsage } from "../core/usage.ts";

/** Reads the token usage out of a response body as it passes. */
export interface UsageReader {
  push(chunk: Uint8Array): void;
  end(): void;
  readonly usage: TokenUsage | undefined;
}

/** The stages a request passes, handed in by the composition root. */
export interface Stages {
  readonly nowMs: () => number;
  /** Whether the decision can profit from the body. */
  readonly bodyIsNeeded: (head: RequestHead) => boolean;
  /** `body` is undefined where the decision has to be made without it. */
  readonly parse: (head: RequestHead, body: Uint8Array | undefined) => ParseResult;
  readonly endpoints: () => readonly Endpoint[];
  readonly load: () => LoadSnapshot;
  readonly schedule: (
    request: InferenceRequest,
    endpoints: readonly Endpoint[],
    load: LoadSnapshot,
  ) => Outcome;
  /** Counts a request as sent to `endpoint` until the returned ticket is released. */
  readonly send: (endpoint: Endpoint, promptTokens: number) => { release(): void };
  readonly readUsage: (head: HeaderValues) => UsageReader;
  readonly observer: RequestObserver;
}

/** Is told what happens to requests; must not throw. */
export interface RequestObserver {
  routed(request: InferenceRequest, decision: Decision): void;
  /** Called exactly once for each request that started. */
  ended(record: RequestRecord): void;
  /** A stage threw: a defect of ours. The client gets a 500. */
  failed(head: RequestHead, cause: unknown): void;
}

/**
 * One request's life. An ingress adapter makes one per request and calls, in this order, `decide`,
 * `responseHead`, `responseChunk` and `end`; it may leave at any point with `end`, which releases
 * everything and does nothing the second time.
 */
export class Exchange {
  readonly bodyIsNeeded: boolean;
  readonly #head: RequestHead;
  readonly #stages: Stages;
  readonly #startedMs: number;
  #request: InferenceRequest | undefined;
  #decision: Decision | undefined;
  #refusal: Refusal | undefined;
  #ticket: { release(): void } | undefined;
  #reader: UsageReader | undefined;
  #httpStatus: number | undefined;
  #servedBy: string | undefined;
  #responseBytes = 0;
  #responseChunks = 0;
  #schedulingMs: number | undefined;
  #decidedMs: number | undefined;
  #responseHeadMs: number | undefined;
  #firstChunkMs: number | undefined;
  #lastChunkMs: number | undefined;
  #hasEnded = false;

  constructor(head: RequestHead, stages: Stages) {
    this.#head = head;
    this.#stages = stages;
    this.#startedMs = stages.nowMs();
    this.bodyIsNeeded = stages.bodyIsNeeded(head);
  }

  /** Parses and schedules; `body` is undefined where the proxy will not show it in time. */
  decide(body: Uint8Array | undefined): Outcome {
    let outcome: Outcome;
    try {
      outcome = this.#decide(body);
    } catch (cause) {
      this.#stages.observer.failed(this.#head, cause);
      outcome = refused("internal", "the request could not be scheduled");
    }
    this.#decidedMs = this.#stages.nowMs();
    if (outcome.kind === "refused") this.#refusal = outcome.refusal;
    return outcome;
  }

  /** Refuses the request for a reason the ingress found itself. */
  refuse(code: ErrorCode, message: string): Outcome {
    const outcome = refused(code, message);
    this.#refusal = outcome.refusal;
    return outcome;
  }

  /** `servedBy` is the endpoint the proxy says it used, where it says so. */
  responseHead(httpStatus: number | undefined, headers: HeaderValues, servedBy?: string): void {
    this.#responseHeadMs = this.#stages.nowMs();
    this.#httpStatus = httpStatus;
    this.#servedBy = servedBy;
    this.#reader = this.#stages.readUsage(headers);
  }

  responseChunk(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const nowMs = this.#stages.nowMs();
    this.#firstChunkMs ??= nowMs;
    this.#lastChunkMs = nowMs;
    this.#responseBytes += chunk.length;
    this.#responseChunks += 1;
    this.#reader?.push(chunk);
  }

  end(end: RequestEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#ticket?.release();
    this.#reader?.end();
    this.#stages.observer.ended(this.#recordOf(end));
  }

  #decide(body: Uint8Array | undefined): Outcome {
    const parsed = this.#stages.parse(this.#head, body);
    if (parsed.kind === "refused") return parsed;
    this.#request = parsed.request;

    const startedMs = this.#stages.nowMs();
    const outcome = this.#stages.schedule(
      parsed.request,
      this.#stages.endpoints(),
      this.#stages.load(),
    );
    this.#schedulingMs = this.#stages.nowMs() - startedMs;
    if (outcome.kind === "refused") return outcome;

    // Counted before the answer leaves: a burst must see itself.
    this.#ticket = this.#stages.send(outcome.decision.endpoints[0], parsed.request.promptTokens);
    this.#stages.observer.routed(parsed.request, outcome.decision);
    this.#decision = outcome.decision;
    // A stream may last for minutes: its prompt is not needed any more.
    this.#request = { ...parsed.request, prompts: [] };
    return outcome;
  }

  #recordOf(end: RequestEnd): RequestRecord {
    return {
      head: this.#head,
      request: this.#request,
      decision: this.#decision,
      refusal: this.#refusal,
      httpStatus: this.#httpStatus,
      servedBy: this.#servedBy,
      usage: this.#reader?.usage,
      responseBytes: this.#responseBytes,
      responseChunks: this.#responseChunks,
      startedMs: this.#startedMs,
      schedulingMs: this.#schedulingMs,
      decidedMs: this.#decidedMs,
      responseHeadMs: this.#responseHeadMs,
      firstChunkMs: this.#firstChunkMs,
      lastChunkMs: this.#lastChunkMs,
      endedMs: this.#stages.nowMs(),
      end,
    };
  }
}

function refused(code: ErrorCode, message: string) {
  return { kind: "refused", refusal: { code, message } } as const satisfies Outcome;
}
