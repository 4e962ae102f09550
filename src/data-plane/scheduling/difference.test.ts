import { describe, expect, it } from "vitest";
import { endpoints } from "#test/support/builders.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import { differenceReason } from "./difference.ts";
import type { ProfileRun } from "./profile.ts";

const [a, b, c] = endpoints(3) as [Endpoint, Endpoint, Endpoint];
const scorer = (name: string, weight: number) => ({ name, weight, scorer: { score: () => {} } });
const filter = (name: string) => ({ name, filter: { filter: () => [] } });

/** A run over `a` and `b` that has picked `a`; `c` was filtered out. */
function aRun(parts: Partial<ProfileRun> = {}): ProfileRun {
  return {
    profile: {
      name: "default",
      filters: [filter("labels"), filter("sessions")],
      scorers: [scorer("queue", 2), scorer("prefix", 3)],
      picker: { pick: () => [0] },
    },
    began: [a, b, c],
    kept: [
      [a, b, c],
      [a, b],
    ],
    judged: [a, b],
    scores: [Float64Array.of(0.2, 1), Float64Array.of(0.9, 0.1)],
    // 2 x 0.2 + 3 x 0.9, and 2 x 1 + 3 x 0.1
    totals: Float64Array.of(3.1, 2.3),
    picked: [0],
    ...parts,
  };
}

describe("differenceReason", () => {
  it("is the scorer that speaks most for the pick", () => {
    expect(differenceReason(aRun(), b)).toBe("prefix");
  });

  it("is the filter that left the other endpoint out", () => {
    expect(differenceReason(aRun(), c)).toBe("sessions");
  });

  it("tells an endpoint that was no candidate", () => {
    expect(differenceReason(aRun({ began: [a, b] }), c)).toBe("candidates");
  });

  it("tells a tie", () => {
    expect(differenceReason(aRun({ totals: Float64Array.of(2, 2) }), b)).toBe("tie");
  });

  it("is the picker's if the pick is not the best one", () => {
    const scores = [Float64Array.of(0, 1), Float64Array.of(0, Number.NaN)];
    expect(differenceReason(aRun({ scores, totals: Float64Array.of(0, 2) }), b)).toBe("picker");
  });
});
