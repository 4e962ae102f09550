import { cut, pathOf } from "../../core/client-values.ts";
import { ERRORS } from "../../core/errors.ts";
import type { QueueStay } from "../../core/flow-control.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { ApiDialect } from "../../core/request.ts";
import type { Attributes } from "../../core/request-trace.ts";
import { hashSeed, hashText } from "../../std/text-hash.ts";

/** The operations of OpenTelemetry's conventions for generative AI, by the API of the request. */
const operations: Readonly<Partial<Record<ApiDialect, string>>> = {
  chat: "chat",
  messages: "chat",
  responses: "chat",
  completions: "text_completion",
  "vllm-generate": "text_completion",
  "sglang-generate": "text_completion",
  embeddings: "embeddings",
};

/** Names, sizes and times of a request that has ended; never a prompt or a credential. */
export function requestAttributes(record: RequestRecord): Attributes {
  const { head, request, usage, refusal, endedBy, stay } = record;
  const { httpStatus = refusal && ERRORS[refusal.code].httpStatus } = record;
  return {
    "http.request.method": cut(head.method),
    "url.path": cut(pathOf(head)),
    "http.response.status_code": httpStatus,
    "error.type": errorOf(record),
    "gen_ai.operation.name": request && operations[request.dialect],
    "gen_ai.request.id": cut(head.id),
    "gen_ai.request.model": request && cut(request.model),
    "gen_ai.request.max_tokens": request?.outputTokensMax,
    "gen_ai.usage.input_tokens": usage?.promptTokens,
    "gen_ai.usage.output_tokens": usage?.outputTokens,
    "gen_ai.usage.cache_read.input_tokens": usage?.cachedTokens,
    "pointsman.api": request?.dialect,
    "pointsman.streaming": request?.isStreaming,
    "pointsman.end": record.end,
    "pointsman.ended_by": endedBy,
    "pointsman.attempts": attemptsOf(record) || undefined,
    "pointsman.worker": head.worker,
    ...timesOf(record),
    "pointsman.queued_ms": stay?.waitedMs,
  };
}

function timesOf({ startedMs, firstTokenMs, decision }: RequestRecord): Attributes {
  return {
    "pointsman.ttft_ms": firstTokenMs && firstTokenMs - startedMs,
    "pointsman.predicted_ttft_ms": decision?.latency?.ttftMs,
  };
}

/** Attempts at endpoints of an ingress that connects to them itself; of a proxy, all that it made are one. */
function attemptsOf({ decision, failedAttempts, outrun }: RequestRecord): number {
  return failedAttempts.length + outrun.length + (decision === undefined ? 0 : 1);
}

export function orchestrationAttributes({ request }: RequestRecord): Attributes {
  return {
    target_model: request && cut(request.targetModel),
    request_prio: request?.priority,
  };
}

/** The wait of a request. Its flow is named by a hash: the id may name a person. */
export function stayAttributes(stay: QueueStay | undefined): Attributes {
  if (stay === undefined) return { "pointsman.flow.outcome": "left" };
  return {
    "pointsman.flow.outcome": stay.outcome,
    "pointsman.flow.band": stay.band,
    "pointsman.flow.hash": hashText(hashSeed, stay.fairnessId).toString(16),
    "pointsman.flow.position": stay.position,
    "pointsman.flow.sent_meanwhile": stay.sentMeanwhile,
    "pointsman.flow.held_by": stay.heldBy?.kind,
  };
}

/** The code of a request's error; undefined if there was none, or the client left. */
export function errorOf({ refusal, failure, end, endedBy }: RequestRecord): string | undefined {
  if (refusal !== undefined) return refusal.code;
  if (failure !== undefined) return failure.code;
  return end === "aborted" && endedBy !== "client" ? "aborted" : undefined;
}
