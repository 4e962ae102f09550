import type { Endpoint } from "../../core/endpoint.ts";
import type { InFlightLoad } from "../../core/in-flight-load.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { AdapterState, LoadSnapshot } from "../../core/load.ts";
import type { Standing } from "../../core/pool-snapshot.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { DataKind } from "../../core/plugin.ts";

/** A producer and the kind of its data. */
export interface ProducerName {
  readonly name: string;
  readonly produces: DataKind;
}

/** Inputs of a decision that have no row of their own in every record. */
export interface FurtherInputs {
  readonly context: SchedulingContext;
  readonly candidates: readonly Endpoint[];
  readonly standing: Standing | undefined;
  /** Those whose data are in the rows of every record are the first of their kinds. */
  readonly producers: readonly ProducerName[];
}

/** A row of numbers by slot, under a name by which `decideAgain` finds it. */
export type FurtherRow = readonly [name: string, numberOf: (slot: number) => number];

const none: readonly FurtherRow[] = [];

/** Bits of the row `adapterPlace`; -1 there for an engine that reports no adapters. */
export const adapterPlaces = { active: 1, waiting: 2 };

/**
 * The rows that a record needs besides those of every record, so that the decision can be made again. Most decisions need
 * none: all endpoints are well, no engine reports adapters, and there is one producer of each kind.
 */
export function furtherRowsOf(inputs: FurtherInputs): readonly FurtherRow[] {
  const { context, candidates, standing, producers } = inputs;
  const { load, data, request } = context;
  let rows = none;
  if (standing?.hasExceptions === true) rows = standingRows(standing);
  if (hasAdapters(load, candidates)) rows = [...rows, ...adapterRows(load, request.targetModel)];
  if (load.attributes.size > 0) rows = [...rows, ...attributeRows(load)];
  let hasMatch = false;
  let hasPrediction = false;
  for (let index = 0; index < producers.length; index += 1) {
    const producer = producers[index];
    const found = producer && data.get(producer.name);
    if (producer === undefined) continue;
    const { name, produces } = producer;
    // A producer of a kind of data produces values of its type.
    if (produces === "in-flight-load" && found !== undefined) {
      rows = [...rows, ...inFlightRows(name, found as InFlightLoad)];
    } else if (produces === "prefix-match") {
      if (hasMatch && found !== undefined)
        rows = [...rows, ...matchRows(name, found as PrefixMatch)];
      hasMatch = true;
    } else if (produces === "latency-prediction") {
      const isFirst = !hasPrediction;
      hasPrediction = true;
      if (found === undefined) continue;
      rows = [...rows, ...predictionRows(name, found as LatencyPrediction, isFirst)];
    }
  }
  return rows;
}

function standingRows({ codes, trialPlaces, startRatios }: Standing): readonly FurtherRow[] {
  return [
    ["standingCode", (slot) => codes[slot] ?? 0],
    ["trialPlaces", (slot) => trialPlaces[slot] ?? 0],
    ["startRatio", (slot) => startRatios[slot] ?? 0],
  ];
}

function hasAdapters({ adapters }: LoadSnapshot, candidates: readonly Endpoint[]): boolean {
  if (adapters.length === 0) return false;
  for (let index = 0; index < candidates.length; index += 1) {
    if (adapters[candidates[index]?.slot ?? -1] !== undefined) return true;
  }
  return false;
}

/** The adapters as far as a request for `model` goes: the names of others do not matter. */
function adapterRows({ adapters }: LoadSnapshot, model: string): readonly FurtherRow[] {
  return [
    ["adapterPlace", (slot) => placeOf(adapters[slot], model)],
    ["adaptersHeld", (slot) => heldIn(adapters[slot])],
    ["adaptersMax", (slot) => adapters[slot]?.adaptersMax ?? 0],
  ];
}

function placeOf(adapters: AdapterState | undefined, model: string): number {
  if (adapters === undefined) return -1;
  const active = adapters.active.has(model) ? adapterPlaces.active : 0;
  return active + (adapters.waiting.has(model) ? adapterPlaces.waiting : 0);
}

function heldIn(adapters: AdapterState | undefined): number {
  if (adapters === undefined) return 0;
  let held = adapters.active.size;
  for (const adapter of adapters.waiting) if (!adapters.active.has(adapter)) held += 1;
  return held;
}

function attributeRows({ attributes }: LoadSnapshot): readonly FurtherRow[] {
  return [...attributes].map(([key, column]) => [
    `attribute ${key}`,
    (slot) => column[slot] ?? Number.NaN,
  ]);
}

function inFlightRows(name: string, load: InFlightLoad): readonly FurtherRow[] {
  return [
    [`${name} requests`, (slot) => load.requests(slot)],
    [`${name} tokens`, (slot) => load.tokens(slot)],
    [`${name} uncachedTokens`, (slot) => load.uncachedTokens(slot)],
  ];
}

function matchRows(name: string, match: PrefixMatch): readonly FurtherRow[] {
  return [
    [`${name} matchedBlocks`, (slot) => match.matchedBlocks(slot)],
    [`${name} totalBlocks`, (slot) => match.totalBlocks(slot)],
    [`${name} blockTokens`, (slot) => match.blockTokens(slot)],
  ];
}

/** The first prediction has its costs in every record, and headrooms only if a plugin has read them. */
function predictionRows(
  name: string,
  prediction: LatencyPrediction,
  isFirst: boolean,
): readonly FurtherRow[] {
  // Most records have neither, so nothing is made for them.
  const hasHeadrooms = prediction.wereHeadroomsRead !== false;
  if (isFirst && !hasHeadrooms) return none;
  return [
    ...(isFirst ? none : costRows(name, prediction)),
    ...(hasHeadrooms ? headroomRows(name, prediction) : none),
  ];
}

function costRows(name: string, prediction: LatencyPrediction): readonly FurtherRow[] {
  return [
    [`${name} ttftMs`, (slot) => prediction.ttftMs(slot)],
    [`${name} tpotMs`, (slot) => prediction.tpotMs(slot)],
    [`${name} prefillMs`, (slot) => prediction.prefillMs(slot)],
    [`${name} ownPrefillMs`, (slot) => prediction.ownPrefillMs(slot)],
    [`${name} copyMs`, (slot) => prediction.copyMs(slot)],
    [`${name} adapterMs`, (slot) => prediction.adapterMs(slot)],
    [`${name} decoding`, (slot) => prediction.decoding(slot)],
  ];
}

function headroomRows(name: string, prediction: LatencyPrediction): readonly FurtherRow[] {
  return [
    [`${name} headroomTtftMs`, (slot) => prediction.headrooms(slot)?.ttftMs ?? Number.NaN],
    [`${name} headroomTpotMs`, (slot) => prediction.headrooms(slot)?.tpotMs ?? Number.NaN],
  ];
}

/** Writes the rows, one number for each slot in each. */
export function writeFurther(
  rows: readonly FurtherRow[],
  { slots, numbers, offset }: { slots: Int32Array; numbers: Float64Array; offset: number },
): void {
  let at = offset;
  for (const [, numberOf] of rows) {
    for (let index = 0; index < slots.length; index += 1) {
      numbers[at] = numberOf(slots[index] ?? 0);
      at += 1;
    }
  }
}
