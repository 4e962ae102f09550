import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LabelCap, labelValuesMax } from "./label-cap.ts";

describe("LabelCap", () => {
  it("keeps the first values and counts later ones as other", () => {
    const cap = new LabelCap(2);
    expect(["a", "b", "c", "a", "b", "d"].map((value) => cap.labelOf(value))).toEqual([
      "a",
      "b",
      "other",
      "a",
      "b",
      "other",
    ]);
  });

  it("counts a value of more than 256 characters as other and gives it no room", () => {
    const cap = new LabelCap(2);
    expect(cap.labelOf("x".repeat(257))).toBe("other");
    expect(cap.labelOf("x".repeat(256))).toBe("x".repeat(256));
    expect(cap.labelOf("b")).toBe("b");
    expect(cap.labelOf("c")).toBe("other");
  });

  it("takes the empty value for a value", () => {
    const cap = new LabelCap(1);
    expect([cap.labelOf(""), cap.labelOf("a")]).toEqual(["", "other"]);
  });

  it("keeps a thousand values where nothing else is said", () => {
    const cap = new LabelCap();
    for (let index = 0; index < labelValuesMax; index += 1) cap.labelOf(`model-${index}`);
    expect(labelValuesMax).toBe(1_000);
    expect(cap.labelOf("model-999")).toBe("model-999");
    expect(cap.labelOf("model-1000")).toBe("other");
  });

  it("always gives the same label to the same value, and few labels in all", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat({ max: 5 }), (values, valuesMax) => {
        const cap = new LabelCap(valuesMax);
        const labels = values.map((value) => cap.labelOf(value));
        expect(values.map((value) => cap.labelOf(value))).toEqual(labels);
        expect(new Set([...labels, "other"]).size).toBeLessThanOrEqual(valuesMax + 1);
      }),
    );
  });
});
