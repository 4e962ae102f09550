import { failureOfStatus } from "../../src/core/answer-failure.ts";
import type { Decision, Target } from "../../src/core/decision.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { hostPortOf } from "../../src/std/host-port.ts";
import type { LatencyPrediction } from "../../src/core/latency-prediction.ts";
import type { AdapterState, LoadSnapshot } from "../../src/core/load.ts";
import type { ResponseHead } from "../../src/core/request-follower.ts";
import type { LoadSignal } from "../../src/core/signals.ts";
import type { RequestRecord } from "../../src/core/request-record.ts";
import type { InferenceRequest, RequestHead } from "../../src/core/request.ts";
import type { SchedulingContext } from "../../src/core/data-plane-plugin.ts";

type EndpointParts = Partial<Omit<Endpoint, "id" | "hostPort">>;

/** An endpoint in slot 0 unless told otherwise; its name, address and id follow from its slot. */
export function anEndpoint(parts: EndpointParts = {}): Endpoint {
  const { slot = 0, namespace = "default", port = 8000, labels = {} } = parts;
  const { name = `engine-${slot}`, address = `10.0.${slot >> 8}.${slot & 255}` } = parts;
  const id = `${namespace}/${name}`;
  const hostPort = hostPortOf(address, port);
  return { ...parts, id, namespace, name, address, port, hostPort, labels, slot };
}

/** `count` endpoints, in slots 0 to count - 1. */
export function endpoints(count: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_, slot) => anEndpoint({ slot }));
}

/** A chat completion without a subset hint. */
export function aHead(parts: Partial<RequestHead> = {}): RequestHead {
  return {
    id: "request-1",
    method: "POST",
    path: "/v1/chat/completions",
    headers: new Map(),
    subset: undefined,
    ...parts,
  };
}

/** A short chat request for the model `llama`. */
export function aRequest(parts: Partial<InferenceRequest> = {}): InferenceRequest {
  const { model = "llama" } = parts;
  return {
    head: aHead(),
    dialect: "chat",
    model,
    targetModel: model,
    cacheSalt: "",
    sessionKey: "",
    storedId: "",
    isStreaming: false,
    priority: 0,
    prompts: [[{ kind: "text", text: "Say hello." }]],
    openingParts: 0,
    promptTokens: 3,
    outputTokensMax: undefined,
    bodyBytes: 100,
    ...parts,
  };
}

type NumericColumn = Exclude<keyof LoadSnapshot, "told" | "adapters" | "attributes">;

/** What is known of one endpoint; a signal left out was never read. */
export interface LoadRow extends Partial<Readonly<Record<NumericColumn, number>>> {
  /** What its engine tells; left out, all that the row has, while its report counts. */
  readonly told?: Partial<Readonly<Record<LoadSignal, number>>>;
  readonly adapters?: AdapterState | undefined;
  /** Numbers under `producer/attribute`, such as `core-metrics-extractor/gpu`. */
  readonly attributes?: Readonly<Record<string, number>>;
}

/** A snapshot with one row per slot: a signal that a row leaves out is NaN, an in-flight count 0. */
export function aLoad(rows: readonly LoadRow[]): LoadSnapshot {
  const column = (name: NumericColumn, unset: number) =>
    Float64Array.from(rows, (row) => row[name] ?? unset);
  const told = (name: LoadSignal) =>
    Float64Array.from(rows, (row) => {
      const counts = row.told ?? (row.signalsTrust === 0 ? {} : row);
      return counts[name] ?? Number.NaN;
    });
  return {
    waitingRequests: column("waitingRequests", Number.NaN),
    runningRequests: column("runningRequests", Number.NaN),
    kvCacheUsedRatio: column("kvCacheUsedRatio", Number.NaN),
    signalsAtMs: column("signalsAtMs", Number.NaN),
    // Due at the moment it was read, so that all of its age is too much, unless told.
    signalsDueAtMs: Float64Array.from(
      rows,
      ({ signalsDueAtMs, signalsAtMs }) => signalsDueAtMs ?? signalsAtMs ?? Number.NaN,
    ),
    signalsTrust: column("signalsTrust", 1),
    told: {
      waitingRequests: told("waitingRequests"),
      runningRequests: told("runningRequests"),
      kvCacheUsedRatio: told("kvCacheUsedRatio"),
    },
    blockTokens: column("blockTokens", Number.NaN),
    blocksMax: column("blocksMax", Number.NaN),
    prefixLookupTokens: column("prefixLookupTokens", Number.NaN),
    prefixHitTokens: column("prefixHitTokens", Number.NaN),
    inFlightRequests: column("inFlightRequests", 0),
    inFlightTokens: column("inFlightTokens", 0),
    adapters: rows.map(({ adapters }) => adapters),
    attributes: new Map(
      rows.flatMap(({ attributes = {} }) =>
        Object.keys(attributes).map((key) => [
          key,
          Float64Array.from(rows, (row) => row.attributes?.[key] ?? Number.NaN),
        ]),
      ),
    ),
  };
}

/** What a plugin sees of a request; nothing is known of anybody's load unless told. */
export function aContext(parts: Partial<SchedulingContext> = {}): SchedulingContext {
  return {
    request: aRequest(),
    endpoints: [],
    load: aLoad([]),
    nowMs: 10_000,
    data: new Map(),
    chosen: new Map(),
    ...parts,
  };
}

/** The adapters of an engine that can hold four. */
export function someAdapters(parts: {
  readonly active?: readonly string[];
  readonly waiting?: readonly string[];
  readonly adaptersMax?: number;
}): AdapterState {
  const { active = [], waiting = [], adaptersMax = 4 } = parts;
  return { active: new Set(active), waiting: new Set(waiting), adaptersMax };
}

/** The way to an endpoint at its own address. */
export function aTarget(endpoint: Endpoint, parts: Partial<Target> = {}): Target {
  return { endpoint, hostPort: endpoint.hostPort, requestHeaders: [], ...parts };
}

export interface DecisionParts extends Partial<Decision> {
  /** In place of `targets`: endpoints that are reached at their own addresses. */
  readonly endpoints?: readonly [Endpoint, ...Endpoint[]];
}

/** The choice of one endpoint out of two. */
export function aDecision({
  endpoints: [first, ...others] = [anEndpoint()],
  ...parts
}: DecisionParts = {}): Decision {
  return {
    targets: [aTarget(first), ...others.map((endpoint) => aTarget(endpoint))],
    profile: "default",
    candidateCount: 2,
    score: 1.5,
    chosen: new Map(),
    helpers: [],
    prefixHit: undefined,
    latency: undefined,
    predictedInMs: undefined,
    recordId: undefined,
    ...parts,
  };
}

/** The head of a good answer, of which the proxy does not say who served it. */
export function aResponseHead(parts: Partial<ResponseHead> = {}): ResponseHead {
  return {
    httpStatus: 200,
    servedBy: undefined,
    served: undefined,
    failedBefore: [],
    isUnreached: false,
    isEventStream: false,
    ...parts,
  };
}

/** A request that was routed and answered in one piece: 100 ms to the first byte, 200 ms in all. */
export function aRecord(parts: Partial<RequestRecord> = {}): RequestRecord {
  return {
    head: aHead(),
    request: aRequest(),
    decision: aDecision(),
    refusal: undefined,
    unread: undefined,
    httpStatus: 200,
    failure: failureOfStatus("httpStatus" in parts ? parts.httpStatus : 200),
    servedBy: undefined,
    failedAttempts: [],
    outrun: [],
    failedBefore: [],
    keepsTargetName: false,
    usage: undefined,
    answerId: undefined,
    responseBytes: 500,
    responseChunks: 1,
    startedMs: 1_000,
    schedulingMs: 0.25,
    decidedMs: 1_001,
    responseHeadMs: 1_090,
    firstTokenMs: 1_100,
    lastChunkMs: 1_100,
    endedMs: 1_200,
    end: "complete",
    endedBy: parts.end === "aborted" ? "unknown" : undefined,
    ...parts,
  };
}

const unknownMs = () => Number.NaN;

/** A prediction of nothing, besides the parts given. */
export function aPrediction(parts: Partial<LatencyPrediction> = {}): LatencyPrediction {
  return {
    headrooms: () => undefined,
    ttftMs: unknownMs,
    tpotMs: unknownMs,
    prefillMs: unknownMs,
    ownPrefillMs: unknownMs,
    copyMs: () => 0,
    adapterMs: () => 0,
    decoding: () => 0,
    ...parts,
  };
}
