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

type Line = { -readonly [Member in keyof RequestLine]: RequestLine[Member] };

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
  const { startedMs, endedMs, end } = record;
  // One object that grows: to spread parts of it would take as long as to print it.
  const line: Line = {
    atMs: rounded(startedMs - recording.startedMs) ?? 0,
    endedMs: rounded(endedMs - startedMs) ?? 0,
    end,
  };
  if (record.request !== undefined) addArrival(line, record.request, recording);
  if (left?.isAdapter === true) line.adapter = true;
  line.blockTokens = left?.blocks?.blockTokens;
  line.blocks = blocks;
  addDecision(line, record);
  addOutcome(line, record);
  return line;
}

function addArrival(line: Line, request: InferenceRequest, { hashes, models }: Recording): void {
  const { head, model, targetModel, priority, sessionKey } = request;
  const tenant = fairnessIdOf(request);
  const session = valueOf(head.headers, headerTable.sessionId) || sessionKey;
  const objective = valueOf(head.headers, headerTable.objective);
  const { ttftMs, tpotMs } = objectiveOf(head);
  line.api = request.dialect;
  if (model !== "") line.model = models.nameOf(model, hashes);
  if (targetModel !== model) line.targetModel = models.nameOf(targetModel, hashes);
  if (tenant !== defaultFairnessId) line.tenant = hashes.name(tenant);
  if (session !== "") line.session = hashes.name(session);
  if (priority !== 0) line.priority = priority;
  if (objective !== undefined && objective !== "") line.objective = hashes.name(objective);
  line.sloTtftMs = ttftMs;
  line.sloTpotMs = tpotMs;
  if (request.isStreaming) line.stream = true;
  line.bodyBytes = request.bodyBytes;
  line.promptTokens = request.promptTokens;
  line.outputTokensMax = request.outputTokensMax;
}

function addDecision(line: Line, record: RequestRecord): void {
  const { decision, decidedMs, startedMs, stay } = record;
  line.decidedMs = rounded(decidedMs && decidedMs - startedMs);
  if (decision !== undefined) {
    line.endpoint = decision.targets[0].endpoint.id;
    line.candidates = decision.candidateCount;
    line.predictedTtftMs = rounded(decision.latency?.ttftMs);
    line.predictedTpotMs = rounded(decision.latency?.tpotMs);
    line.predictedCachedTokens = decision.prefixHit?.tokens;
  }
  if (stay !== undefined) {
    line.waitedMs = rounded(stay.waitedMs);
    line.heldBy = stay.heldBy?.kind;
  }
  if (record.refusal !== undefined) line.refusal = record.refusal.code;
  const attempts = attemptsOf(record);
  if (attempts.length > 0) line.attempts = attempts;
}

function addOutcome(line: Line, record: RequestRecord): void {
  const { startedMs, firstTokenMs, lastChunkMs, refusal, usage, responseChunks } = record;
  line.status = record.httpStatus ?? (refusal && ERRORS[refusal.code].httpStatus);
  line.firstTokenMs = rounded(firstTokenMs && firstTokenMs - startedMs);
  line.lastMs = rounded(lastChunkMs && lastChunkMs - startedMs);
  line.endedBy = record.endedBy;
  if (usage !== undefined) {
    line.usagePromptTokens = usage.promptTokens;
    line.cachedTokens = usage.cachedTokens;
    line.outputTokens = usage.outputTokens;
  }
  if (responseChunks !== 0) line.chunks = responseChunks;
}

function attemptsOf({
  failedAttempts,
  failedBefore,
  outrun,
}: RequestRecord): readonly AttemptLine[] {
  if (failedAttempts.length + failedBefore.length + outrun.length === 0) return noAttempts;
  const failed = failedAttempts.map(({ decision, httpStatus }) => {
    return { endpoint: decision.targets[0].endpoint.id, status: httpStatus };
  });
  return [...failed, ...[...failedBefore, ...outrun].map(({ id }) => ({ endpoint: id }))];
}

const noAttempts: readonly AttemptLine[] = [];

/** A tenth of a millisecond is less than the clocks of engines agree on. */
function rounded(ms: number | undefined): number | undefined {
  return ms === undefined || !Number.isFinite(ms) ? undefined : Math.round(ms * 10) / 10;
}
