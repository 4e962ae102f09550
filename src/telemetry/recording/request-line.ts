import { ERRORS } from "../../core/errors.ts";
import { defaultFairnessId, fairnessIdOf } from "../../core/fairness-id.ts";
import { headerTable, valueOf } from "../../core/headers.ts";
import { objectiveOf } from "../../core/latency-objective.ts";
import type { PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { KeyedHashes } from "./keyed-hashes.ts";
import type { AttemptLine, RequestLine } from "./lines.ts";
import type { SeenModels } from "./seen-models.ts";

/** Facts about a request from the moment that it left. */
export interface LeftFacts {
  readonly blocks: PromptBlocks | undefined;
  /** True if the engine reports the target model as an adapter. */
  readonly isAdapter: boolean;
}

interface Recording {
  readonly hashes: KeyedHashes;
  readonly models: SeenModels;
  /** Monotonic milliseconds of its start. */
  readonly startedMs: number;
}

/** A request that is over. */
export interface EndedRequest {
  readonly record: RequestRecord;
  readonly left: LeftFacts | undefined;
}

/** The lines of requests. Hashes of many prompts at a time cost less than of one after another. */
export function requestLinesOf(
  ended: readonly EndedRequest[],
  recording: Recording,
): readonly RequestLine[] {
  const chains = ended.flatMap(({ left }) => left?.blocks?.chains ?? []);
  const texts = recording.hashes.blocks(chains);
  let next = 0;
  return ended.map(({ record, left }) => {
    const start = next;
    next += left?.blocks?.chains.length ?? 0;
    const blocks = left?.blocks && texts.slice(start, next);
    return requestLineOf(record, { left, blocks }, recording);
  });
}

function requestLineOf(
  record: RequestRecord,
  { left, blocks }: Pick<EndedRequest, "left"> & Pick<RequestLine, "blocks">,
  recording: Recording,
): RequestLine {
  recording.models.note(record);
  return {
    atMs: rounded(record.startedMs - recording.startedMs) ?? 0,
    ...arrivalOf(record.request, recording),
    adapter: left?.isAdapter === true ? true : undefined,
    blockTokens: left?.blocks?.blockTokens,
    blocks,
    ...decisionOf(record),
    ...outcomeOf(record),
  };
}

function arrivalOf(
  request: InferenceRequest | undefined,
  { hashes, models }: Recording,
): Partial<RequestLine> {
  if (request === undefined) return {};
  const { head, model, targetModel, priority, sessionKey } = request;
  const tenant = fairnessIdOf(request);
  const session = valueOf(head.headers, headerTable.sessionId) || sessionKey;
  const objective = valueOf(head.headers, headerTable.objective);
  const { ttftMs, tpotMs } = objectiveOf(head);
  return {
    api: request.dialect,
    model: model === "" ? undefined : models.nameOf(model, hashes),
    targetModel: targetModel === model ? undefined : models.nameOf(targetModel, hashes),
    tenant: tenant === defaultFairnessId ? undefined : hashes.name(tenant),
    session: session === "" ? undefined : hashes.name(session),
    priority: priority === 0 ? undefined : priority,
    objective: objective === undefined || objective === "" ? undefined : hashes.name(objective),
    sloTtftMs: ttftMs,
    sloTpotMs: tpotMs,
    stream: request.isStreaming ? true : undefined,
    bodyBytes: request.bodyBytes,
    promptTokens: request.promptTokens,
    outputTokensMax: request.outputTokensMax,
  };
}

function decisionOf(record: RequestRecord): Partial<RequestLine> {
  const { decision, decidedMs, startedMs, stay } = record;
  return {
    decidedMs: rounded(decidedMs && decidedMs - startedMs),
    endpoint: decision?.targets[0].endpoint.id,
    candidates: decision?.candidateCount,
    predictedTtftMs: rounded(decision?.latency?.ttftMs),
    predictedTpotMs: rounded(decision?.latency?.tpotMs),
    predictedCachedTokens: decision?.prefixHit?.tokens,
    waitedMs: rounded(stay?.waitedMs),
    heldBy: stay?.heldBy?.kind,
    refusal: record.refusal?.code,
    attempts: attemptsOf(record),
  };
}

function outcomeOf(
  record: RequestRecord,
): Pick<RequestLine, "endedMs" | "end"> & Partial<RequestLine> {
  const { startedMs, firstTokenMs, lastChunkMs, refusal, usage } = record;
  return {
    status: record.httpStatus ?? (refusal && ERRORS[refusal.code].httpStatus),
    firstTokenMs: rounded(firstTokenMs && firstTokenMs - startedMs),
    lastMs: rounded(lastChunkMs && lastChunkMs - startedMs),
    endedMs: rounded(record.endedMs - startedMs) ?? 0,
    end: record.end,
    endedBy: record.endedBy,
    usagePromptTokens: usage?.promptTokens,
    cachedTokens: usage?.cachedTokens,
    outputTokens: usage?.outputTokens,
    chunks: record.responseChunks === 0 ? undefined : record.responseChunks,
  };
}

function attemptsOf(record: RequestRecord): readonly AttemptLine[] | undefined {
  const failed = record.failedAttempts.map(({ decision, httpStatus }) => {
    return { endpoint: decision.targets[0].endpoint.id, status: httpStatus };
  });
  const before = record.failedBefore.map(({ id }) => ({ endpoint: id }));
  const outrun = record.outrun.map(({ id }) => ({ endpoint: id }));
  const all = [...failed, ...before, ...outrun];
  return all.length === 0 ? undefined : all;
}

/** A tenth of a millisecond is less than the clocks of engines agree on. */
function rounded(ms: number | undefined): number | undefined {
  return ms === undefined || !Number.isFinite(ms) ? undefined : Math.round(ms * 10) / 10;
}
