import { describe, expect, it } from "vitest";
import { workersOf } from "./workers-option.ts";

describe("--workers", () => {
  it.each<[string, number, number]>([
    ["1", 8, 1],
    ["4", 2, 4],
    ["64", 2, 64],
    // The main thread keeps one CPU.
    ["auto", 8, 7],
    ["auto", 2, 1],
    ["auto", 1, 1],
    ["auto", 256, 64],
  ])("is %j on %i CPUs: %i", (text, cpus, workers) => {
    expect(workersOf(text, cpus)).toBe(workers);
  });

  it.each(["0", "65", "-1", "1.5", "", "all", "1e1"])("refuses %j", (text) => {
    expect(() => workersOf(text)).toThrow("for --workers: want a number from 1 to 64, or auto");
  });
});
