import type { AdapterState, LoadSnapshot } from "../core/load.ts";

/** Signals first, then our own counts; the order is the layout of the shared buffer. */
const signalColumns = [
  "waitingRequests",
  "runningRequests",
  "kvCacheUsedRatio",
  "signalsAtMs",
  "blockTokens",
  "blocksMax",
] as const;
const columnCount = signalColumns.length + 2;

type NumericColumn = Exclude<keyof LoadSnapshot, "adapters" | "attributes">;

/** The live columns, as the store writes them. */
export interface LoadColumns extends Readonly<Record<NumericColumn, Float64Array>> {
  readonly adapters: (AdapterState | undefined)[];
  readonly attributes: Map<string, Float64Array>;
}

/**
 * Columns of `slotsMax` rows in one shared buffer: 64 bytes per slot, 256 KiB for 4,096 slots.
 *
 * Signals start unknown (NaN), counts start at 0. Adapters are objects and lie beside the buffer;
 * so do the columns of attributes, which come with the configuration that names them.
 */
export function createLoadColumns(slotsMax: number): LoadColumns {
  const columnBytes = slotsMax * Float64Array.BYTES_PER_ELEMENT;
  const buffer = new SharedArrayBuffer(columnCount * columnBytes);
  const column = (index: number) => new Float64Array(buffer, index * columnBytes, slotsMax);
  const columns: LoadColumns = {
    waitingRequests: column(0),
    runningRequests: column(1),
    kvCacheUsedRatio: column(2),
    signalsAtMs: column(3),
    blockTokens: column(4),
    blocksMax: column(5),
    inFlightRequests: column(6),
    inFlightTokens: column(7),
    adapters: Array.from<AdapterState | undefined>({ length: slotsMax }).fill(undefined),
    attributes: new Map(),
  };
  for (const name of signalColumns) columns[name].fill(Number.NaN);
  return columns;
}

/** Forgets what an engine told; the counts of our own requests stay. */
export function clearSignals(columns: LoadColumns, slot: number): void {
  for (const name of signalColumns) columns[name][slot] = Number.NaN;
  columns.adapters[slot] = undefined;
  for (const column of columns.attributes.values()) column[slot] = Number.NaN;
}
