import { describe, expect, it } from "vitest";
import { barOf, countOf, durationOf, minutesOf, percentOf } from "./text.ts";

describe("barOf", () => {
  it.each([
    { ratio: 0, bar: "░░░░" },
    { ratio: 0.01, bar: "█░░░" },
    { ratio: 0.5, bar: "██░░" },
    { ratio: 1, bar: "████" },
    { ratio: 1.5, bar: "████" },
  ])("is $bar for $ratio", ({ ratio, bar }) => {
    expect(barOf(ratio, 4)).toBe(bar);
  });
});

describe("durationOf", () => {
  it.each([
    [undefined, "-"],
    [0.063, "0.06 ms"],
    [4.26, "4.3 ms"],
    [182.4, "182 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9_940, "9.9 s"],
    [12_400, "12 s"],
  ])("writes %s as %s", (ms, text) => {
    expect(durationOf(ms)).toBe(text);
  });
});

describe("counts, shares and minutes", () => {
  it("are written as people do", () => {
    expect(countOf(1, "error")).toBe("1 error");
    expect(countOf(0, "error")).toBe("0 errors");
    expect(percentOf(0.256)).toBe("26 %");
    expect(percentOf(undefined)).toBe("-");
    expect(minutesOf(7.9)).toBe("0:07");
    expect(minutesOf(754)).toBe("12:34");
  });
});
