import type { RequestRecord } from "../core/request-record.ts";
import type { Logger } from "./logger.ts";

/** One line per request at `info`: names, sizes and times; never a prompt or a credential. */
export function logRequest(log: Logger, record: RequestRecord): void {
  if (!log.isLevelEnabled("info")) return;
  const { head, request, decision, refusal, usage, startedMs } = record;
  const sinceStart = (atMs: number | undefined) =>
    atMs === undefined ? undefined : round(atMs - startedMs);
  log.info(
    {
      requestId: head.id,
      method: head.method,
      // The query may carry keys.
      path: head.path.split("?", 1)[0],
      api: request?.dialect,
      model: request?.model === "" ? undefined : request?.model,
      streaming: request?.isStreaming === true ? true : undefined,
      endpoint: decision?.endpoints[0].hostPort,
      servedBy: record.servedBy,
      score: decision === undefined || Number.isNaN(decision.score) ? undefined : decision.score,
      candidates: decision?.candidateCount,
      status: record.httpStatus,
      refused: refusal?.code,
      end: record.end,
      bodyBytes: request?.bodyBytes,
      responseBytes: record.responseBytes,
      promptTokens: usage?.promptTokens,
      cachedTokens: usage?.cachedTokens,
      outputTokens: usage?.outputTokens,
      decidedMs: sinceStart(record.decidedMs),
      ttftMs: sinceStart(record.firstChunkMs),
      durationMs: sinceStart(record.endedMs),
    },
    "request",
  );
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
