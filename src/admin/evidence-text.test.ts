import { describe, expect, it } from "vitest";
import { evidenceTextsOf } from "./evidence-text.ts";

describe("evidence of an ejection in words", () => {
  it.each([
    [
      { failuresInRow: 10, failuresInRowMax: 3, othersFailureRatio: 0.015 },
      "10 failures in a row, limit 3, 2 % of the others' answers failed",
    ],
    [
      { failures: 1, answers: 20, failureRatio: 0.05, failureRatioLimit: 0.1 },
      "1 failure, 20 answers, 5 % failed, limit 10 %",
    ],
    [
      { silentMs: 12_340, patienceMs: 950, othersAnsweredMsAgo: 3.21 },
      "no answer for 12.3 s, limit 950 ms, others answered 3.2 ms ago",
    ],
    [
      { workTokens: 12_345.6, factor: 3.25 },
      "12,345.6 prompt tokens of work, 3.3 times as slow as usual",
    ],
  ])("names %j", (evidence, text) => {
    expect(evidenceTextsOf(evidence).join(", ")).toBe(text);
  });

  it("leaves out numbers that are unknown, and those of later versions", () => {
    const later = { failures: 2, toString: 3, newMs: 4 };
    expect(evidenceTextsOf({ ...later, answers: Number.NaN })).toEqual(["2 failures"]);
    expect(evidenceTextsOf(undefined)).toEqual([]);
  });
});
