import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { Decision } from "../../core/decision.ts";
import type { QueueStay } from "../../core/flow-control.ts";
import type { FailedAttempt, RequestRecord } from "../../core/request-record.ts";
import type { RequestHead } from "../../core/request.ts";
import type { AttemptTrace, RequestTrace, StageTrace } from "../../core/request-trace.ts";
import { type TraceContext, traceHeaders, traceParentOf } from "../../core/trace-context.ts";
import type { Clock } from "../../std/clock.ts";
import type { RandomHex } from "../../std/random-hex.ts";
import { AttemptSpan } from "./attempt-span.ts";
import { DecisionSpans } from "./decision-spans.ts";
import type { Span, SpanSink } from "./span.ts";
import { endSpan, SpanList } from "./span-list.ts";
import {
  errorOf,
  orchestrationAttributes,
  requestAttributes,
  stayAttributes,
} from "./span-attributes.ts";

/** Longest `tracestate` that is kept; W3C asks for no more. */
const traceStateCharactersMax = 512;

const noHeaders: readonly string[] = [];

export interface RequestSpansParts {
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly random: RandomHex;
  readonly sink: Pick<SpanSink, "add">;
  readonly onLeftOut: (spans: number) => void;
}

interface TracedRequest {
  readonly head: RequestHead;
  readonly startedMs: number;
  readonly traceId: string;
  /** The client's span; undefined if the trace begins here. */
  readonly parent: TraceContext | undefined;
}

/** The spans of one request, from its head to its end. */
export class RequestSpans implements RequestTrace {
  readonly traceId: string;
  readonly #parts: RequestSpansParts;
  readonly #traced: TracedRequest;
  readonly #list: SpanList;
  readonly #root: Span;
  #orchestration: Span | undefined;
  #wait: Span | undefined;
  /** The last decision, while no attempt has followed from it. */
  #undone: DecisionSpans | undefined;
  #attempts: readonly AttemptSpan[] = [];

  constructor(traced: TracedRequest, parts: RequestSpansParts) {
    const { startedMs, parent, traceId } = traced;
    this.traceId = traceId;
    this.#traced = traced;
    this.#parts = parts;
    this.#list = new SpanList(parts.random);
    this.#root = this.#list.open({
      name: "gateway.request",
      kind: "server",
      parentId: parent?.spanId,
      hasRemoteParent: parent !== undefined,
      startedMs,
    });
  }

  deciding(): void {
    this.#orchestration = this.#list.open({
      name: "gateway.request_orchestration",
      kind: "server",
      parentId: this.#root.id,
      startedMs: this.#parts.clock.nowMs(),
    });
  }

  waiting(isWaiting: boolean, stay: QueueStay | undefined): void {
    const startedMs = this.#parts.clock.nowMs();
    if (isWaiting) {
      const parentId = this.#parentId;
      this.#wait = this.#list.open({ name: "flow_control.wait", parentId, startedMs });
    } else if (this.#wait !== undefined) {
      endSpan(this.#wait, startedMs, stayAttributes(stay));
      this.#wait = undefined;
    }
  }

  scheduling(): StageTrace {
    const { clock } = this.#parts;
    this.#undone = new DecisionSpans({ list: this.#list, clock, parentId: this.#parentId });
    this.#undone.begin("decide");
    return this.#undone;
  }

  attempt(sent: SentRequest): AttemptTrace {
    this.#keepDecision();
    const span = this.#list.open({
      name: "engine.request",
      kind: "client",
      parentId: this.#root.id,
      startedMs: this.#parts.clock.nowMs(),
    });
    const attempt = new AttemptSpan(span, sent);
    this.#attempts = [...this.#attempts, attempt];
    const context = { traceId: this.traceId, spanId: span.id, isSampled: true };
    return {
      follower: attempt,
      set: [[traceHeaders.parent, traceParentOf(context)]],
      removed: this.#foreignHeaders,
    };
  }

  decided(): void {
    if (this.#orchestration !== undefined) {
      endSpan(this.#orchestration, this.#parts.clock.nowMs());
    }
  }

  retried(_: FailedAttempt, decision: Decision): void {
    this.#attemptOf(decision)?.isOf("retry");
  }

  hedged(decision: Decision): void {
    this.#attemptOf(decision)?.isOf("hedge");
  }

  outrun(lost: Decision, _: Decision, failed: FailedAttempt | undefined): void {
    if (failed === undefined) this.#attemptOf(lost)?.outrun();
  }

  ended(record: RequestRecord): void {
    const { sink, clock, onLeftOut } = this.#parts;
    const { endedMs } = record;
    this.#keepDecision();
    endSpan(this.#root, endedMs, requestAttributes(record));
    this.#root.error = errorOf(record);
    if (this.#orchestration !== undefined) {
      endSpan(this.#orchestration, endedMs, orchestrationAttributes(record));
      this.#orchestration.error = record.refusal?.code;
    }
    const { spans, leftOut } = this.#list;
    for (const span of spans) endSpan(span, endedMs);
    if (leftOut > 0) onLeftOut(leftOut);
    const originMs = clock.wallMs() - clock.nowMs();
    sink.add({ traceId: this.traceId, traceState: this.#traceState, originMs, spans });
  }

  /** The span that new ones are below: the orchestration until it has ended. */
  get #parentId(): string {
    const orchestration = this.#orchestration;
    const isOpen = orchestration !== undefined && Number.isNaN(orchestration.endedMs);
    return isOpen ? orchestration.id : this.#root.id;
  }

  get #traceState(): string {
    const { head, parent } = this.#traced;
    const state = parent && head.headers.get(traceHeaders.state);
    const isWhole = head.headers.isRepeated?.(traceHeaders.state) !== true;
    return state !== undefined && isWhole && state.length <= traceStateCharactersMax ? state : "";
  }

  /** A state without a valid parent belongs to no trace. */
  get #foreignHeaders(): readonly string[] {
    const { head, parent } = this.#traced;
    if (parent !== undefined || head.headers.get(traceHeaders.state) === undefined)
      return noHeaders;
    return [traceHeaders.state];
  }

  #keepDecision(): void {
    this.#undone?.keep();
    this.#undone = undefined;
  }

  #attemptOf(decision: Decision): AttemptSpan | undefined {
    return this.#attempts.find((attempt) => attempt.decision === decision);
  }
}
