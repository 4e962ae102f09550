import { expect, it } from "vitest";
import { aPrediction } from "#test/support/builders.ts";
import { costColumnsOf } from "./cost-columns.ts";

it("makes columns of a prediction that has none, up to the highest slot", () => {
  const prediction = aPrediction({
    prefillMs: (slot) => 10 + slot,
    copyMs: (slot) => -slot,
    adapterMs: () => 5,
    decoding: (slot) => 2 * slot,
  });
  const { prefillMs, copyMs, adapterMs, decoding } = costColumnsOf(prediction, Int32Array.of(2, 1));
  // Slot 0 was not asked for.
  expect([...prefillMs]).toEqual([0, 11, 12]);
  expect([...copyMs]).toEqual([0, -1, -2]);
  expect([...adapterMs]).toEqual([0, 5, 5]);
  expect([...decoding]).toEqual([0, 2, 4]);
});

it("takes the columns of a prediction that has them", () => {
  const column = new Float64Array(3);
  const columns = { prefillMs: column, copyMs: column, adapterMs: column, decoding: column };
  expect(costColumnsOf({ ...aPrediction(), columns }, Int32Array.of(0))).toBe(columns);
});
