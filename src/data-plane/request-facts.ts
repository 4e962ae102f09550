import type { Decision } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Refusal } from "../core/errors.ts";
import type { QueueStay } from "../core/flow-control.ts";
import type { UnreadReason } from "../core/parse-result.ts";
import type { RequestRecord } from "../core/request-record.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import type { Attempts } from "./attempts.ts";
import type { ResponseSoFar } from "./response-so-far.ts";

interface RecordParts {
  readonly request: InferenceRequest | undefined;
  /** The decision of the attempt that has ended. */
  readonly decision: Decision | undefined;
  readonly stay: QueueStay | undefined;
  readonly endedMs: number;
  /** The response, at the end that the ingress saw. */
  readonly response: ReturnType<ResponseSoFar["facts"]>;
}

/** Facts about a request that its record has; all times are monotonic milliseconds. */
export class RequestFacts {
  readonly startedMs: number;
  unread: UnreadReason | undefined;
  refusal: Refusal | undefined;
  /** Endpoints that the proxy tried before the one that served. */
  failedBefore: readonly Endpoint[] = [];
  schedulingMs: number | undefined;
  decidedMs: number | undefined;
  readonly #head: RequestHead;

  constructor(head: RequestHead, startedMs: number) {
    this.#head = head;
    this.startedMs = startedMs;
  }

  record(
    {
      failed,
      outrun,
      refusalId,
      trace,
    }: Pick<Attempts, "failed" | "outrun" | "refusalId" | "trace">,
    { request, decision, stay, endedMs, response }: RecordParts,
  ): RequestRecord {
    const { unread, refusal, startedMs, schedulingMs, decidedMs } = this;
    return {
      head: this.#head,
      traceId: trace?.traceId,
      unread,
      request,
      decision,
      recordId: decision?.recordId ?? refusalId,
      refusal,
      stay,
      failedBefore: [
        ...failed.map((attempt) => attempt.decision.targets[0].endpoint),
        ...this.failedBefore,
      ],
      failedAttempts: failed,
      outrun: outrun.map(({ targets }) => targets[0].endpoint),
      startedMs,
      schedulingMs,
      decidedMs,
      endedMs,
      ...response,
    };
  }
}
