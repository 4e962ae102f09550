import type { CostColumns, LatencyPrediction } from "../../../core/latency-prediction.ts";

/** The columns of a prediction for these slots. Those of a producer without columns are made from its functions. */
export function costColumnsOf(prediction: LatencyPrediction, slots: Int32Array): CostColumns {
  if (prediction.columns !== undefined) return prediction.columns;
  const length = slots.reduce((most, slot) => Math.max(most, slot + 1), 0);
  const columnOf = (numberOf: (slot: number) => number) => {
    const column = new Float64Array(length);
    for (const slot of slots) column[slot] = numberOf(slot);
    return column;
  };
  return {
    prefillMs: columnOf((slot) => prediction.prefillMs(slot)),
    copyMs: columnOf((slot) => prediction.copyMs(slot)),
    adapterMs: columnOf((slot) => prediction.adapterMs(slot)),
    decoding: columnOf((slot) => prediction.decoding(slot)),
  };
}
