import { describe, expect, it } from "vitest";
import { clearSignals, createLoadColumns } from "./load-columns.ts";

describe("load columns", () => {
  it("forget the signals of an engine, also in columns added later, and keep our counts", () => {
    const columns = createLoadColumns(2, {
      inFlightRequests: new Float64Array(2),
      inFlightTokens: new Float64Array(2),
    });
    columns.attributes.set("core-metrics-extractor/gpu", Float64Array.of(0.5, 0.25));
    columns.waitingRequests.fill(3);
    columns.inFlightRequests.fill(2);
    clearSignals(columns, 1);
    expect(columns.attributes.get("core-metrics-extractor/gpu")).toEqual(
      Float64Array.of(0.5, Number.NaN),
    );
    expect(columns.waitingRequests).toEqual(Float64Array.of(3, Number.NaN));
    expect(columns.inFlightRequests).toEqual(Float64Array.of(2, 2));
  });
});
