import type { Endpoint } from "../core/endpoint.ts";
import { ERRORS } from "../core/errors.ts";
import type { RequestRecord } from "../core/request-record.ts";
import { cut, pathOf } from "./client-values.ts";
import type { Logger } from "./logger.ts";

/** One line per request at `info`: names, sizes and times; never a prompt or a credential. */
export function logRequest(log: Logger, record: RequestRecord): void {
  if (!log.isLevelEnabled("info")) return;
  const { head, request, decision, refusal, usage, startedMs } = record;
  const sinceStart = (atMs: number | undefined) =>
    atMs === undefined ? undefined : round(atMs - startedMs);
  log.info(
    {
      requestId: cut(head.id),
      method: cut(head.method),
      path: cut(pathOf(head)),
      key: head.keyName,
      api: request?.dialect,
      model: request === undefined || request.model === "" ? undefined : cut(request.model),
      targetModel: targetModelOf(request),
      rulesSkipped: record.unread,
      priority: request === undefined || request.priority === 0 ? undefined : request.priority,
      streaming: request?.isStreaming === true ? true : undefined,
      endpoint: decision?.targets[0].endpoint.hostPort,
      servedBy: record.servedBy,
      score: decision === undefined || Number.isNaN(decision.score) ? undefined : decision.score,
      candidates: decision?.candidateCount,
      prefixHit: decision?.prefixHit && round(decision.prefixHit.ratio),
      predictedTtftMs: decision?.latency && round(decision.latency.ttftMs),
      decision: decision?.recordId,
      status: record.httpStatus ?? (refusal && ERRORS[refusal.code].httpStatus),
      refused: refusal?.code,
      error: record.failure?.code,
      end: record.end,
      endedBy: record.endedBy,
      failedBefore: addressesOf(record.failedBefore),
      outrun: addressesOf(record.outrun),
      keepsTargetName: record.keepsTargetName ? true : undefined,
      bodyBytes: request?.bodyBytes,
      responseBytes: record.responseBytes,
      promptTokens: usage?.promptTokens,
      cachedTokens: usage?.cachedTokens,
      outputTokens: usage?.outputTokens,
      decidedMs: sinceStart(record.decidedMs),
      ttftMs: sinceStart(record.firstTokenMs),
      durationMs: sinceStart(record.endedMs),
    },
    "request",
  );
}

/** The model that the engine was asked for, if it is not the client's. */
function targetModelOf(request: RequestRecord["request"]): string | undefined {
  if (request === undefined || request.targetModel === request.model) return undefined;
  return cut(request.targetModel);
}

/** A handful at most: those that one request was sent to. */
function addressesOf(endpoints: readonly Endpoint[]): string | undefined {
  return endpoints.length === 0 ? undefined : endpoints.map(({ hostPort }) => hostPort).join(",");
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
