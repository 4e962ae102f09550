import type { AdapterState, LoadSnapshot } from "../core/load.ts";

/** Columns that are cleared when the endpoint of a slot leaves; our own counts stay. */
const signalColumns = [
  "waitingRequests",
  "runningRequests",
  "kvCacheUsedRatio",
  "signalsAtMs",
  "signalsDueAtMs",
  "blockTokens",
  "blocksMax",
  "prefixLookupTokens",
  "prefixHitTokens",
] as const;

type NumericColumn = Exclude<keyof LoadSnapshot, "told" | "adapters" | "attributes">;

/** The columns of the load, writable. */
export interface LoadColumns extends Readonly<Record<NumericColumn, Float64Array>> {
  readonly told: LoadSnapshot["told"];
  readonly adapters: (AdapterState | undefined)[];
  readonly attributes: Map<string, Float64Array>;
}

/**
 * Columns of `slotsMax` rows in which every signal is unknown; the two columns of our own counts
 * are passed in.
 */
export function createLoadColumns(
  slotsMax: number,
  own: Pick<LoadColumns, "inFlightRequests" | "inFlightTokens">,
): LoadColumns {
  const unknown = () => new Float64Array(slotsMax).fill(Number.NaN);
  return {
    waitingRequests: unknown(),
    runningRequests: unknown(),
    kvCacheUsedRatio: unknown(),
    signalsAtMs: unknown(),
    signalsDueAtMs: unknown(),
    signalsTrust: new Float64Array(slotsMax),
    told: {
      waitingRequests: unknown(),
      runningRequests: unknown(),
      kvCacheUsedRatio: unknown(),
    },
    blockTokens: unknown(),
    blocksMax: unknown(),
    prefixLookupTokens: unknown(),
    prefixHitTokens: unknown(),
    inFlightRequests: own.inFlightRequests,
    inFlightTokens: own.inFlightTokens,
    adapters: Array.from<AdapterState | undefined>({ length: slotsMax }).fill(undefined),
    attributes: new Map(),
  };
}

/** Clears the signals of an engine; the counts of our own requests stay. */
export function clearSignals(columns: LoadColumns, slot: number): void {
  for (const name of signalColumns) columns[name][slot] = Number.NaN;
  columns.signalsTrust[slot] = 0;
  for (const column of Object.values(columns.told)) column[slot] = Number.NaN;
  columns.adapters[slot] = undefined;
  for (const column of columns.attributes.values()) column[slot] = Number.NaN;
}
