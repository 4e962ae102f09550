import { describe, expect, it } from "vitest";
import { breakEvidenceOf, Breaks } from "./breaks.ts";

/**
 * An endpoint with this many requests left, whose streams broke at these times, each of another
 * client.
 */
function rowOf(
  openRequests: number,
  moments: readonly number[],
  clientOf = (index: number) => index,
) {
  const breaks = new Breaks();
  for (const [index, atMs] of moments.entries()) breaks.note(clientOf(index), openRequests, atMs);
  return { breaks, openRequests };
}

describe("streams that break off", () => {
  it("indicate a failed engine if many clients lose theirs at once", () => {
    const row = rowOf(1, [1_000, 1_001, 1_002, 1_003, 1_003]);
    expect(breakEvidenceOf(row, [row, rowOf(20, [])])).toEqual({
      brokenStreams: 5,
      clients: 5,
      // 5 of 6
      brokenRatio: 5 / 6,
      othersBrokenRatio: 0,
      windowMs: 50,
    });
  });

  it.each([
    ["one after the other", rowOf(1, [1_200, 1_250, 1_300, 1_350, 1_400])],
    ["while most continue", rowOf(5, [1_400, 1_400, 1_400, 1_400])],
    ["of one client", rowOf(0, Array(9).fill(1_400), () => 7)],
    ["of clients that cannot be distinguished", { breaks: unknownBreaks(9), openRequests: 0 }],
    ["of three clients", rowOf(0, Array(9).fill(1_400), (index) => index % 3)],
  ])("indicate nothing if %s", (_, row) => {
    expect(breakEvidenceOf(row, [row, rowOf(20, [])])).toBeUndefined();
  });

  it("indicate nothing if the others' break as well", () => {
    const moments = [1_000, 1_000, 1_000, 1_000];
    const [row, other] = [rowOf(0, moments), rowOf(1, moments)];
    expect(breakEvidenceOf(row, [row, other])).toBeUndefined();
  });
});

function unknownBreaks(count: number): Breaks {
  const breaks = new Breaks();
  for (let index = 0; index < count; index += 1) breaks.note(undefined, 0, 1_400);
  return breaks;
}
