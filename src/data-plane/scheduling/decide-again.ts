import type { Endpoint } from "../../core/endpoint.ts";
import type { DecisionRecord } from "../../core/decision-record.ts";
import type { Headrooms, LatencyPrediction } from "../../core/latency-prediction.ts";
import type { AdapterState, LoadSnapshot } from "../../core/load.ts";
import type { DataKind } from "../../core/plugin.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { RepeatableRandom } from "../../std/random.ts";
import type { DecisionInputs } from "./decision-inputs.ts";
import { DecisionLog } from "./decision-log.ts";
import { inputRowsOf } from "./decision-numbers.ts";
import { adapterPlaces } from "./further-rows.ts";
import { Scheduler, type SchedulingGraph } from "./scheduler.ts";

/** The plugins of a configuration, and the source of their random numbers; undefined if it cannot be set back. */
export interface GraphToAsk {
  readonly graph: SchedulingGraph;
  readonly random: RepeatableRandom | undefined;
}

/**
 * Makes a decision again from its record, by the plugins of the same configuration or of another one. Producers do not
 * run: their data are in the record, and a producer of another name gets those of its kind.
 */
export function decideAgain(inputs: DecisionInputs, { graph, random }: GraphToAsk): DecisionRecord {
  const { length } = inputs.candidates;
  const log = new DecisionLog({
    recordsMax: 1,
    numbersMax: (length + 1) * rowsIn(inputs, graph),
    // Of any pool, all candidates have to be recorded.
    candidatesMax: length,
  });
  const producers = graph.producers.map((producer) => ({
    ...producer,
    instance: { produce: () => dataOf(producer, inputs) as never },
  }));
  const scheduler = new Scheduler({ ...graph, producers }, { ignoresSubset: true, log });
  if (random !== undefined && !Number.isNaN(inputs.chance)) random.state = inputs.chance;
  scheduler.schedule({
    request: requestOf(inputs),
    snapshot: snapshotOf(inputs),
    recalls: { values: new Map(Object.entries(inputs.recalls)), isAgain: true },
  });
  const [record] = log.last(1);
  if (record === undefined) throw new Error("a decision leaves a record");
  return record;
}

/** At least the rows of the decision's record. */
function rowsIn({ rows, data }: DecisionInputs, { profiles }: SchedulingGraph): number {
  // A producer has ten rows at most, and one of another graph may have them for its kind.
  let sum = Object.keys(rows).length + (data.length + inputRowsOf(true)) * 10;
  for (const { scorers } of profiles.values()) sum += 2 + scorers.length;
  return sum;
}

function requestOf({ request }: DecisionInputs): InferenceRequest {
  const { id, sessionHash: _, ...facts } = request;
  return {
    ...facts,
    head: { id, method: "POST", path: "", headers: noHeaders, subset: undefined },
    cacheSalt: "",
    sessionKey: "",
    storedId: "",
    isStreaming: false,
    prompts: [],
    openingParts: 0,
    outputTokensMax: undefined,
    bodyBytes: 0,
  };
}

const noHeaders: ReadonlyMap<string, string> = new Map();

function snapshotOf(inputs: DecisionInputs): PoolSnapshot {
  const { rows, candidates, nowMs } = inputs;
  const columns = new Columns(candidates);
  const standing = columns.of(rows["standingCode"], 0);
  return {
    // The candidates are those of the record; the others were left out before.
    endpoints: candidates,
    load: loadOf(inputs, columns),
    standing: {
      hasExceptions: rows["standingCode"] !== undefined,
      codes: Uint8Array.from(standing),
      trialPlaces: Uint8Array.from(columns.of(rows["trialPlaces"], 0)),
      startRatios: columns.of(rows["startRatio"], 0),
      // Flow control alone reads it.
      isCutOff: false,
    },
    models: undefined,
    nowMs,
  };
}

/** Makes columns by slot of rows in the order of the candidates. */
class Columns {
  readonly #candidates: readonly Endpoint[];
  readonly #length: number;

  constructor(candidates: readonly Endpoint[]) {
    this.#candidates = candidates;
    this.#length = candidates.reduce((most, { slot }) => Math.max(most, slot + 1), 0);
  }

  of(row: readonly number[] | undefined, unset = Number.NaN): Float64Array {
    const column = new Float64Array(this.#length).fill(unset);
    for (const [index, { slot }] of this.#candidates.entries())
      column[slot] = row?.[index] ?? unset;
    return column;
  }
}

const attributePrefix = "attribute ";

function loadOf({ rows, request, candidates }: DecisionInputs, columns: Columns): LoadSnapshot {
  const unknown = columns.of(undefined);
  const attributes = Object.keys(rows).filter((name) => name.startsWith(attributePrefix));
  const adapters: (AdapterState | undefined)[] = [];
  for (const [index, { slot }] of candidates.entries()) {
    adapters[slot] = adaptersOf(request.targetModel, (row) => rows[row]?.[index]);
  }
  return {
    waitingRequests: columns.of(rows["waitingRequests"]),
    runningRequests: columns.of(rows["runningRequests"]),
    kvCacheUsedRatio: columns.of(rows["kvCacheUsedRatio"]),
    signalsAtMs: columns.of(rows["signalsAtMs"]),
    signalsTrust: columns.of(rows["signalsTrust"]),
    inFlightRequests: columns.of(rows["inFlightRequests"]),
    inFlightTokens: columns.of(rows["inFlightTokens"]),
    // Read by producers and detectors alone.
    signalsDueAtMs: unknown,
    blockTokens: unknown,
    blocksMax: unknown,
    prefixLookupTokens: unknown,
    prefixHitTokens: unknown,
    told: { waitingRequests: unknown, runningRequests: unknown, kvCacheUsedRatio: unknown },
    adapters,
    attributes: new Map(
      attributes.map((name) => [name.slice(attributePrefix.length), columns.of(rows[name])]),
    ),
  };
}

/** Adapters of an engine, with names for those that the record only counts. */
function adaptersOf(
  model: string,
  numberIn: (row: string) => number | undefined,
): AdapterState | undefined {
  const place = numberIn("adapterPlace") ?? -1;
  if (place < 0) return undefined;
  const active = new Set((place & adapterPlaces.active) === 0 ? [] : [model]);
  const waiting = new Set((place & adapterPlaces.waiting) === 0 ? [] : [model]);
  const held = numberIn("adaptersHeld") ?? 0;
  for (let other = active.size || waiting.size; other < held; other += 1) {
    active.add(`another adapter ${other}`);
  }
  return { active, waiting, adaptersMax: numberIn("adaptersMax") ?? 0 };
}

/** The data of a producer: its own, or those of the first one of its kind. */
function dataOf(
  { name, produces }: { readonly name: string; readonly produces: DataKind },
  inputs: DecisionInputs,
): unknown {
  const ofKind = inputs.data.filter((each) => each.produces === produces);
  const data = ofKind.find((each) => each.name === name) ?? ofKind[0];
  if (data?.rows === undefined) return data?.value;
  const columns = new Columns(inputs.candidates);
  const rowOf = (prefix: string) => (row: string) => columns.of(inputs.rows[`${prefix}${row}`]);
  const column = rowOf(data.rows);
  if (produces === "prefix-match") {
    const [matched, total, tokens] = [
      column("matchedBlocks"),
      column("totalBlocks"),
      column("blockTokens"),
    ];
    return {
      matchedBlocks: (slot: number) => matched[slot] ?? 0,
      totalBlocks: (slot: number) => total[slot] ?? 0,
      blockTokens: (slot: number) => tokens[slot] ?? 0,
    };
  }
  if (produces === "in-flight-load") {
    const [requests, tokens, uncached] = [
      column("requests"),
      column("tokens"),
      column("uncachedTokens"),
    ];
    return {
      requests: (slot: number) => requests[slot] ?? 0,
      tokens: (slot: number) => tokens[slot] ?? 0,
      uncachedTokens: (slot: number) => uncached[slot] ?? 0,
    };
  }
  const wereHeadroomsRead = inputs.rows[`${data.name} headroomTtftMs`] !== undefined;
  return { ...predictionOf(column, rowOf(`${data.name} `)), wereHeadroomsRead };
}

const by = (column: Float64Array) => (slot: number) => column[slot] ?? Number.NaN;

type ColumnOf = (row: string) => Float64Array;

function predictionOf(costs: ColumnOf, headrooms: ColumnOf): LatencyPrediction {
  const [headroomTtftMs, headroomTpotMs] = [
    by(headrooms("headroomTtftMs")),
    by(headrooms("headroomTpotMs")),
  ];
  return {
    ttftMs: by(costs("ttftMs")),
    tpotMs: by(costs("tpotMs")),
    prefillMs: by(costs("prefillMs")),
    ownPrefillMs: by(costs("ownPrefillMs")),
    copyMs: by(costs("copyMs")),
    adapterMs: by(costs("adapterMs")),
    decoding: by(costs("decoding")),
    headrooms: (slot): Headrooms | undefined => {
      const ttftMs = headroomTtftMs(slot);
      return Number.isNaN(ttftMs) ? undefined : { ttftMs, tpotMs: headroomTpotMs(slot) };
    },
  };
}
