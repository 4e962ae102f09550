import type { AnswerFailure } from "../../../core/answer-failure.ts";
import type { EndedBy, RequestEnd } from "../../../core/request-record.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import type { AnswerView } from "../../answer.ts";
import type { ReportedEnd, ReportedHead } from "./thread-messages.ts";

/** A response that a worker reads, as far as it has reported it. */
export class ReportedAnswer implements AnswerView {
  readonly httpStatus: number | undefined;
  readonly servedBy: string | undefined;
  readonly isUnreached: boolean;
  readonly retryAfterMs: number | undefined;
  readonly isEventStream: boolean;
  readonly keepsTargetName: boolean;
  /** The worker changes the body and knows its length. */
  readonly changesLength = false;
  readonly marker = "none";
  hasBegun = false;
  usage: TokenUsage | undefined;
  id: string | undefined;
  failure: AnswerFailure | undefined;

  constructor(head: ReportedHead) {
    const { httpStatus, servedBy, isUnreached, retryAfterMs, isEventStream } = head;
    this.isUnreached = isUnreached;
    this.retryAfterMs = retryAfterMs;
    this.httpStatus = httpStatus;
    this.servedBy = servedBy;
    this.isEventStream = isEventStream;
    this.keepsTargetName = head.keepsTargetName;
  }

  /** Takes over the response at its end. */
  complete({ usage, answerId, failure }: ReportedEnd): void {
    this.usage = usage;
    this.id = answerId;
    this.failure = failure;
  }

  // The bytes of the response stay in the worker.
  read(): void {}
  restored(): undefined {}
  rest(): undefined {}
  close(): void {}

  /** The worker has corrected the end already. */
  endAsRead(end: RequestEnd, endedBy: EndedBy): { end: RequestEnd; endedBy: EndedBy | undefined } {
    return { end, endedBy: end === "aborted" ? endedBy : undefined };
  }
}
