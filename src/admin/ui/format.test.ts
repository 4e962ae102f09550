import { describe, expect, it } from "vitest";
import { counted, duration, firstFew, number, percent, size, timeOfDay, whole } from "./format.js";

describe("numbers for people", () => {
  it.each([null, undefined, Number.NaN, Number.POSITIVE_INFINITY])("are a dash for %s", (value) => {
    expect([number, whole, percent, duration, size].map((shown) => shown(value))).toEqual(
      Array.from({ length: 5 }, () => "–"),
    );
  });

  it.each([
    [0, "0 ms"],
    [3.14, "3.1 ms"],
    [85.6, "86 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9_949, "9.9 s"],
    [9_951, "10 s"],
    [119_400, "119 s"],
    [119_600, "2 min"],
    [7_200_000, "2 h"],
    [3 * 86_400_000, "3 days"],
    [-1_500, "-1.5 s"],
  ])("%d ms are %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("have separators, units and plurals", () => {
    expect(number(1_234.56)).toBe("1,234.6");
    expect(whole(1_234.56)).toBe("1,235");
    expect(percent(0.625)).toBe("63 %");
    expect([size(1_023), size(1_536), size(3 * 1_048_576)]).toEqual([
      "1,023 B",
      "1.5 KiB",
      "3 MiB",
    ]);
    expect([counted(1, "request"), counted(1_000, "request")]).toEqual([
      "1 request",
      "1,000 requests",
    ]);
  });

  it("name the first of many", () => {
    expect(firstFew(["a", "b", "c"])).toBe("a, b, c");
    expect(firstFew(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
  });

  it("are a dash for a text that is no time", () => {
    expect(timeOfDay("never")).toBe("–");
  });
});
