import type { RequestLine } from "../telemetry/recording/lines.ts";
import type { RunRecord } from "./lab/run-record.ts";

/** The course of one request, in a recording or in a replay of it. */
export interface Outcome {
  /** Arrival. */
  readonly atMs: number;
  readonly tenant: string | undefined;
  /** Index of the endpoint that served; undefined if none did. */
  readonly endpoint: number | undefined;
  /** Undefined if the answer did not stream, or there was none. */
  readonly ttftMs: number | undefined;
  /** From the arrival to the end of the answer; undefined without a whole answer. */
  readonly e2eMs: number | undefined;
  /** Per further token; undefined unless the answer streamed two tokens or more. */
  readonly tpotMs: number | undefined;
  readonly promptTokens: number;
  /** Undefined if the engine did not tell. */
  readonly cachedTokens: number | undefined;
}

/** The outcome of each request of a recording. */
export function recordedOutcomes(
  requests: readonly RequestLine[],
  slots: ReadonlyMap<string, number>,
): readonly Outcome[] {
  return requests.map((line) => {
    const { atMs, tenant, end, status = 0, firstTokenMs, lastMs, outputTokens = 0 } = line;
    const isServed = end === "complete" && line.refusal === undefined && status < 300;
    const streams = isServed && line.stream === true ? firstTokenMs : undefined;
    return {
      atMs,
      tenant,
      endpoint: isServed ? slots.get(line.endpoint ?? "") : undefined,
      ttftMs: streams,
      e2eMs: isServed ? (lastMs ?? line.endedMs) : undefined,
      tpotMs:
        streams !== undefined && lastMs !== undefined && outputTokens > 1
          ? (lastMs - streams) / (outputTokens - 1)
          : undefined,
      promptTokens: line.usagePromptTokens ?? line.promptTokens ?? 0,
      cachedTokens: isServed ? line.cachedTokens : undefined,
    };
  });
}

interface ReplayTimes {
  /** Time that networks and proxies add to each request. */
  readonly overheadMs: number;
  /** Time of the recording at which the replay began. */
  readonly startMs: number;
}

/** The outcomes of the same requests in a replay. */
export function replayedOutcomes(
  requests: readonly RequestLine[],
  { sent }: Pick<RunRecord, "sent">,
  { overheadMs, startMs }: ReplayTimes,
): readonly Outcome[] {
  const byNumber = new Map(sent.map((one) => [one.conversation, one]));
  return requests.map((line, number) => {
    const one = byNumber.get(number);
    const { tenant } = line;
    const firstTokenMs = one?.failure === undefined ? one?.firstTokenMs : undefined;
    const endedMs = one?.failure === undefined ? one?.endedMs : undefined;
    const isStreaming = line.stream === true;
    const sentMs = one?.sentMs ?? line.atMs - startMs;
    const steps = (one?.outputTokens ?? 0) - 1;
    return {
      atMs: sentMs + startMs,
      tenant,
      endpoint: endedMs === undefined ? undefined : one?.slot,
      ttftMs:
        isStreaming && firstTokenMs !== undefined ? firstTokenMs - sentMs + overheadMs : undefined,
      e2eMs: endedMs === undefined ? undefined : endedMs - sentMs + overheadMs,
      tpotMs:
        isStreaming && firstTokenMs !== undefined && endedMs !== undefined && steps > 0
          ? (endedMs - firstTokenMs) / steps
          : undefined,
      promptTokens: one?.promptTokens ?? 0,
      cachedTokens: one?.cachedTokens,
    };
  });
}
