import { describe, expect, it } from "vitest";
import { shedding } from "./shed.ts";

describe("shedding", () => {
  it.each([
    { priority: -1, saturation: 1, isShed: true },
    { priority: -100, saturation: 5, isShed: true },
    { priority: -1, saturation: 0.999, isShed: false },
    { priority: 0, saturation: 5, isShed: false },
    { priority: 7, saturation: 5, isShed: false },
  ])("of priority $priority at a saturation of $saturation: $isShed", (row) => {
    const refusal = shedding(row, () => row.saturation);
    expect(refusal?.code).toBe(row.isShed ? "saturated" : undefined);
  });

  it("does not compute the saturation for requests that it may not shed", () => {
    expect(
      shedding({ priority: 0 }, () => {
        throw new Error("asked all the same");
      }),
    ).toBeUndefined();
  });
});
