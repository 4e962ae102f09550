import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";

/** Rows of recorded inputs, in the order in which `writeInputs` writes them. */
const rows = [
  "waitingRequests",
  "runningRequests",
  "kvCacheUsedRatio",
  "signalsAtMs",
  "signalsTrust",
  "inFlightRequests",
  "inFlightTokens",
  "matchedBlocks",
  "totalBlocks",
  "blockTokens",
] as const;

/** Rows that follow if a producer predicts latencies, in the order in which `writePredictions` writes them. */
const predictionRows = [
  "ttftMs",
  "tpotMs",
  "prefillMs",
  "ownPrefillMs",
  "copyMs",
  "adapterMs",
  "decoding",
] as const;

export type InputRow = (typeof rows)[number] | (typeof predictionRows)[number];

const allRows: readonly InputRow[] = [...rows, ...predictionRows];

/** Places of the rows, so that readers need not search. */
const places: ReadonlyMap<InputRow, number> = new Map(allRows.map((row, place) => [row, place]));

/** Number of rows of inputs. */
export function inputRowsOf(hasPrediction: boolean): number {
  return hasPrediction ? allRows.length : rows.length;
}

/** Names of these rows, in their order. */
export function inputRowNamesOf(hasPrediction: boolean): readonly InputRow[] {
  return hasPrediction ? allRows : rows;
}

/** Place of a row among those of `inputRowsOf`. */
export function inputRowOf(row: InputRow): number {
  return places.get(row) ?? -1;
}

/** Slots whose inputs are recorded, and the place for them: `allRows`, or only `rows`, one after another. */
export interface InputPlace {
  readonly slots: Int32Array;
  readonly numbers: Float64Array;
  readonly offset: number;
}

/**
 * Copies what a decision read of the load and of a prefix match, one number for each slot in each row. One pass over the
 * slots, with the index of the next row by addition: this runs in every decision, and a multiplication per row makes it a
 * third slower.
 */
export function writeInputs(
  { load }: SchedulingContext,
  match: PrefixMatch | undefined,
  { slots, numbers, offset }: InputPlace,
): void {
  const { waitingRequests, runningRequests, kvCacheUsedRatio } = load;
  const { signalsAtMs, signalsTrust, inFlightRequests, inFlightTokens } = load;
  const count = slots.length;
  for (let index = 0; index < count; index += 1) {
    const slot = slots[index] ?? 0;
    let at = offset + index;
    numbers[at] = waitingRequests[slot] ?? Number.NaN;
    at += count;
    numbers[at] = runningRequests[slot] ?? Number.NaN;
    at += count;
    numbers[at] = kvCacheUsedRatio[slot] ?? Number.NaN;
    at += count;
    numbers[at] = signalsAtMs[slot] ?? Number.NaN;
    at += count;
    numbers[at] = signalsTrust[slot] ?? Number.NaN;
    at += count;
    numbers[at] = inFlightRequests[slot] ?? Number.NaN;
    at += count;
    numbers[at] = inFlightTokens[slot] ?? Number.NaN;
    at += count;
    numbers[at] = match === undefined ? Number.NaN : match.matchedBlocks(slot);
    at += count;
    numbers[at] = match === undefined ? Number.NaN : match.totalBlocks(slot);
    at += count;
    numbers[at] = match === undefined ? Number.NaN : match.blockTokens(slot);
  }
}

/** Writes the rows after those of `writeInputs`. */
export function writePredictions(
  prediction: LatencyPrediction,
  { slots, numbers, offset }: InputPlace,
): void {
  const count = slots.length;
  for (let index = 0; index < count; index += 1) {
    const slot = slots[index] ?? 0;
    let at = offset + rows.length * count + index;
    numbers[at] = prediction.ttftMs(slot);
    at += count;
    numbers[at] = prediction.tpotMs(slot);
    at += count;
    numbers[at] = prediction.prefillMs(slot);
    at += count;
    numbers[at] = prediction.ownPrefillMs(slot);
    at += count;
    numbers[at] = prediction.copyMs(slot);
    at += count;
    numbers[at] = prediction.adapterMs(slot);
    at += count;
    numbers[at] = prediction.decoding(slot);
  }
}
