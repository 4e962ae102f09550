import type { Endpoint } from "../core/endpoint.ts";
import { ERRORS } from "../core/errors.ts";
import type { RequestRecord } from "../core/request-record.ts";
import { cut, pathOf } from "../core/client-values.ts";
import { type Logger, writeInfo } from "./logger.ts";

/** One line per request at `info`: names, sizes and times; never a prompt or a credential. */
export function logRequest(log: Logger, record: RequestRecord): void {
  if (!log.isLevelEnabled("info")) return;
  const fields =
    requestFields(record) + decisionFields(record) + answerFields(record) + timeFields(record);
  writeInfo(log, fields, "request");
}

function requestFields({ head, traceId, request, unread }: RequestRecord): string {
  return (
    text(',"requestId":', cut(head.id)) +
    text(',"traceId":', traceId) +
    text(',"method":', cut(head.method)) +
    text(',"path":', cut(pathOf(head))) +
    text(',"key":', head.keyName) +
    text(',"api":', request?.dialect) +
    text(
      ',"model":',
      request === undefined || request.model === "" ? undefined : cut(request.model),
    ) +
    text(',"targetModel":', targetModelOf(request)) +
    text(',"rulesSkipped":', unread) +
    number(',"priority":', request?.priority === 0 ? undefined : request?.priority) +
    (request?.isStreaming === true ? ',"streaming":true' : "")
  );
}

function decisionFields({ decision, servedBy }: RequestRecord): string {
  if (decision === undefined) return text(',"servedBy":', servedBy);
  const { targets, score, candidateCount, prefixHit, latency, recordId, madeBy } = decision;
  return (
    text(',"endpoint":', targets[0].endpoint.hostPort) +
    text(',"servedBy":', servedBy) +
    number(',"score":', Number.isNaN(score) ? undefined : score) +
    number(',"candidates":', candidateCount) +
    number(',"prefixHit":', prefixHit && round(prefixHit.ratio)) +
    number(',"predictedTtftMs":', latency && round(latency.ttftMs)) +
    number(',"decision":', recordId) +
    text(',"decidedBy":', madeBy)
  );
}

function answerFields(record: RequestRecord): string {
  const { refusal, request, usage } = record;
  return (
    number(',"status":', record.httpStatus ?? (refusal && ERRORS[refusal.code].httpStatus)) +
    text(',"refused":', refusal?.code) +
    text(',"error":', record.failure?.code) +
    text(',"end":', record.end) +
    text(',"endedBy":', record.endedBy) +
    text(',"failedBefore":', addressesOf(record.failedBefore)) +
    text(',"outrun":', addressesOf(record.outrun)) +
    (record.keepsTargetName ? ',"keepsTargetName":true' : "") +
    number(',"bodyBytes":', request?.bodyBytes) +
    number(',"responseBytes":', record.responseBytes) +
    number(',"promptTokens":', usage?.promptTokens) +
    number(',"cachedTokens":', usage?.cachedTokens) +
    number(',"outputTokens":', usage?.outputTokens)
  );
}

function timeFields(record: RequestRecord): string {
  const { startedMs, decidedMs, firstTokenMs, endedMs, stay } = record;
  const sinceStart = (atMs: number | undefined) =>
    atMs === undefined ? undefined : round(atMs - startedMs);
  return (
    number(',"queuedMs":', stay && round(stay.waitedMs)) +
    number(',"queuePosition":', stay?.position) +
    text(',"heldBy":', stay?.heldBy?.kind) +
    number(',"decidedMs":', sinceStart(decidedMs)) +
    number(',"ttftMs":', sinceStart(firstTokenMs)) +
    number(',"durationMs":', sinceStart(endedMs))
  );
}

/** Characters that stand for themselves in a string of JSON. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/u;

function text(key: string, value: string | undefined): string {
  if (value === undefined) return "";
  return plain.test(value) ? `${key}"${value}"` : key + JSON.stringify(value);
}

function number(key: string, value: number | undefined): string {
  if (value === undefined) return "";
  return Number.isFinite(value) ? key + value : `${key}null`;
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
