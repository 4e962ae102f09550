import { ERRORS } from "../../core/errors.ts";
import { defaultFairnessId, fairnessIdOf } from "../../core/fairness-id.ts";
import { headerTable, valueOf } from "../../core/headers.ts";
import { objectiveOf } from "../../core/latency-objective.ts";
import type { PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { JsonWriter } from "../../std/json-writer.ts";
import type { BlockTexts } from "./block-texts.ts";
import type { KeyedHashes } from "./keyed-hashes.ts";
import { type AttemptLine, blockCharacters, type RequestLine } from "./lines.ts";
import type { SeenModels } from "./seen-models.ts";

/** Facts about a request from the moment that it left. */
export interface LeftFacts {
  readonly blocks: PromptBlocks | undefined;
  /** True if the engine reports the target model as an adapter. */
  readonly isAdapter: boolean;
}

export interface Recording {
  readonly hashes: KeyedHashes;
  readonly models: SeenModels;
  /** Monotonic milliseconds of its start. */
  readonly startedMs: number;
}

/** Where lines are written. */
interface LineParts {
  readonly json: JsonWriter;
  readonly blocks: BlockTexts;
}

/** A request that is over. */
interface EndedRequest {
  readonly record: RequestRecord;
  readonly left: LeftFacts | undefined;
}

/** Writes the line of a request, and leaves room for the texts of its blocks. */
export function writeRequestLine(
  parts: LineParts,
  { record, left }: EndedRequest,
  recording: Recording,
): void {
  recording.models.note(record);
  const { json } = parts;
  const { startedMs, endedMs, request } = record;
  json.put(lineStart);
  json.tenths(tenthsOf(startedMs - recording.startedMs) ?? 0);
  json.put(keys.endedMs);
  json.tenths(tenthsOf(endedMs - startedMs) ?? 0);
  writeText(json, keys.end, record.end);
  if (request !== undefined) writeArrival(json, request, recording);
  if (left?.isAdapter === true) json.put(flags.adapter);
  if (left?.blocks !== undefined) writeBlocks(parts, left.blocks);
  writeDecision(json, record);
  writeOutcome(json, record);
  json.put(lineEnd);
}

function writeArrival(
  json: JsonWriter,
  request: InferenceRequest,
  { hashes, models }: Recording,
): void {
  const { head, model, targetModel, priority, sessionKey } = request;
  const tenant = fairnessIdOf(request);
  const session = valueOf(head.headers, headerTable.sessionId) || sessionKey;
  const objective = valueOf(head.headers, headerTable.objective);
  const { ttftMs, tpotMs } = objectiveOf(head);
  writeText(json, keys.api, request.dialect);
  if (model !== "") writeText(json, keys.model, models.nameOf(model, hashes));
  if (targetModel !== model) {
    writeText(json, keys.targetModel, models.nameOf(targetModel, hashes));
  }
  if (tenant !== defaultFairnessId) writeText(json, keys.tenant, hashes.name(tenant));
  if (session !== "") writeText(json, keys.session, hashes.name(session));
  if (priority !== 0) writeNumber(json, keys.priority, priority);
  if (objective !== undefined && objective !== "") {
    writeText(json, keys.objective, hashes.name(objective));
  }
  writeNumber(json, keys.sloTtftMs, ttftMs);
  writeNumber(json, keys.sloTpotMs, tpotMs);
  if (request.isStreaming) json.put(flags.stream);
  writeNumber(json, keys.bodyBytes, request.bodyBytes);
  writeNumber(json, keys.promptTokens, request.promptTokens);
  writeNumber(json, keys.outputTokensMax, request.outputTokensMax);
}

function writeBlocks({ json, blocks }: LineParts, { blockTokens, chains }: PromptBlocks): void {
  writeNumber(json, keys.blockTokens, blockTokens);
  json.put(keys.blocks);
  json.put(openList);
  for (const [index, chain] of chains.entries()) {
    json.put(index === 0 ? quote : nextQuote);
    blocks.add(chain, json.skip((chain.length / 2) * blockCharacters));
    json.put(quote);
  }
  json.put(closeList);
}

function writeDecision(json: JsonWriter, record: RequestRecord): void {
  const { decision, decidedMs, startedMs, stay } = record;
  writeMs(json, keys.decidedMs, decidedMs && decidedMs - startedMs);
  if (decision !== undefined) {
    writeText(json, keys.endpoint, decision.targets[0].endpoint.id);
    writeNumber(json, keys.candidates, decision.candidateCount);
    writeMs(json, keys.predictedTtftMs, decision.latency?.ttftMs);
    writeMs(json, keys.predictedTpotMs, decision.latency?.tpotMs);
    writeNumber(json, keys.predictedCachedTokens, decision.prefixHit?.tokens);
  }
  if (stay !== undefined) {
    writeMs(json, keys.waitedMs, stay.waitedMs);
    writeText(json, keys.heldBy, stay.heldBy?.kind);
  }
  writeText(json, keys.refusal, record.refusal?.code);
  const attempts = attemptsOf(record);
  // They are rare.
  if (attempts.length > 0) {
    json.put(keys.attempts);
    json.put(Buffer.from(JSON.stringify(attempts)));
  }
}

function writeOutcome(json: JsonWriter, record: RequestRecord): void {
  const { startedMs, firstTokenMs, lastChunkMs, refusal, usage, responseChunks } = record;
  const status = record.httpStatus ?? (refusal && ERRORS[refusal.code].httpStatus);
  writeNumber(json, keys.status, status);
  writeMs(json, keys.firstTokenMs, firstTokenMs && firstTokenMs - startedMs);
  writeMs(json, keys.lastMs, lastChunkMs && lastChunkMs - startedMs);
  writeText(json, keys.endedBy, record.endedBy);
  if (usage !== undefined) {
    writeNumber(json, keys.usagePromptTokens, usage.promptTokens);
    writeNumber(json, keys.cachedTokens, usage.cachedTokens);
    writeNumber(json, keys.outputTokens, usage.outputTokens);
  }
  if (responseChunks !== 0) writeNumber(json, keys.chunks, responseChunks);
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

function writeText(json: JsonWriter, key: Uint8Array, text: string | undefined): void {
  if (text === undefined) return;
  json.put(key);
  json.text(text);
}

/** JSON has no other numbers than finite ones. */
function writeNumber(json: JsonWriter, key: Uint8Array, value: number | undefined): void {
  if (value === undefined || !Number.isFinite(value)) return;
  json.put(key);
  json.number(value);
}

function writeMs(json: JsonWriter, key: Uint8Array, ms: number | undefined): void {
  const tenths = tenthsOf(ms);
  if (tenths === undefined) return;
  json.put(key);
  json.tenths(tenths);
}

/** A tenth of a millisecond is less than the clocks of engines agree on. */
function tenthsOf(ms: number | undefined): number | undefined {
  return ms === undefined || !Number.isFinite(ms) ? undefined : Math.round(ms * 10);
}

function bytesOf(json: string): Uint8Array {
  return new Uint8Array(Buffer.from(json));
}

function keyOf(name: keyof RequestLine): Uint8Array {
  return bytesOf(`,"${name}":`);
}

function flagOf(name: keyof RequestLine): Uint8Array {
  return bytesOf(`,"${name}":true`);
}

const lineStart = bytesOf('{"atMs":');
const lineEnd = bytesOf("}\n");
const quote = bytesOf('"');
const nextQuote = bytesOf(',"');
const openList = bytesOf("[");
const closeList = bytesOf("]");
const flags = { adapter: flagOf("adapter"), stream: flagOf("stream") };

const keys = {
  endedMs: keyOf("endedMs"),
  end: keyOf("end"),
  api: keyOf("api"),
  model: keyOf("model"),
  targetModel: keyOf("targetModel"),
  tenant: keyOf("tenant"),
  session: keyOf("session"),
  objective: keyOf("objective"),
  priority: keyOf("priority"),
  sloTtftMs: keyOf("sloTtftMs"),
  sloTpotMs: keyOf("sloTpotMs"),
  bodyBytes: keyOf("bodyBytes"),
  promptTokens: keyOf("promptTokens"),
  outputTokensMax: keyOf("outputTokensMax"),
  blockTokens: keyOf("blockTokens"),
  blocks: keyOf("blocks"),
  decidedMs: keyOf("decidedMs"),
  endpoint: keyOf("endpoint"),
  candidates: keyOf("candidates"),
  predictedTtftMs: keyOf("predictedTtftMs"),
  predictedTpotMs: keyOf("predictedTpotMs"),
  predictedCachedTokens: keyOf("predictedCachedTokens"),
  waitedMs: keyOf("waitedMs"),
  heldBy: keyOf("heldBy"),
  refusal: keyOf("refusal"),
  attempts: keyOf("attempts"),
  status: keyOf("status"),
  firstTokenMs: keyOf("firstTokenMs"),
  lastMs: keyOf("lastMs"),
  endedBy: keyOf("endedBy"),
  usagePromptTokens: keyOf("usagePromptTokens"),
  cachedTokens: keyOf("cachedTokens"),
  outputTokens: keyOf("outputTokens"),
  chunks: keyOf("chunks"),
} satisfies Partial<Record<keyof RequestLine, Uint8Array>>;
