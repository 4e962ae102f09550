import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { Decision } from "../../core/decision.ts";
import type { RequestFollower, ResponseHead } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { Span } from "./span.ts";
import { endSpan } from "./span-list.ts";
import { errorOf } from "./span-attributes.ts";

type AttemptKind = "first" | "retry" | "hedge";

/** The span of one attempt at an endpoint. */
export class AttemptSpan implements RequestFollower {
  readonly decision: Decision;
  readonly #span: Span;

  constructor(span: Span, { decision }: SentRequest) {
    const { targets, latency, prefixHit, recordId, profile } = decision;
    const { endpoint, hostPort } = targets[0];
    this.decision = decision;
    this.#span = span;
    span.attributes = {
      "server.address": endpoint.address,
      "server.port": endpoint.port,
      "pointsman.endpoint.name": endpoint.id,
      // One port may stand for all ranks of an engine.
      "pointsman.endpoint.destination": hostPort === endpoint.hostPort ? undefined : hostPort,
      "pointsman.attempt.kind": "first" satisfies AttemptKind,
      "pointsman.decision.id": recordId,
      "pointsman.decision.profile": profile,
      "pointsman.predicted_ttft_ms": latency?.ttftMs,
      "pointsman.predicted_prefix_hit": prefixHit?.ratio,
    };
  }

  isOf(kind: AttemptKind): void {
    this.#add({ "pointsman.attempt.kind": kind });
  }

  /** Another attempt has answered first. */
  outrun(): void {
    this.#add({ "pointsman.attempt.is_outrun": true });
    this.#span.error = undefined;
  }

  responseHead({ httpStatus, servedBy, failedBefore }: ResponseHead, atMs: number): void {
    this.#span.events.push({ name: "response_head", atMs });
    this.#add({
      "http.response.status_code": httpStatus,
      "pointsman.served_by": servedBy,
      "pointsman.endpoints_passed_over": failedBefore.length || undefined,
    });
  }

  firstToken(atMs: number): void {
    this.#span.events.push({ name: "first_token", atMs });
    this.#add({ "pointsman.ttft_ms": atMs - this.#span.startedMs });
  }

  ended(record: RequestRecord): void {
    endSpan(this.#span, record.endedMs);
    this.#span.error = errorOf(record);
    this.#add({ "error.type": this.#span.error });
  }

  #add(attributes: Span["attributes"]): void {
    this.#span.attributes = { ...this.#span.attributes, ...attributes };
  }
}
