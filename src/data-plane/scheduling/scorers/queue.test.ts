import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { queueScorer } from "./queue.ts";

const scorer = queueScorer.create({}, pluginDeps());
const scoresFor = (...waiting: number[]) =>
  scoresByRow(scorer, aLoad(waiting.map((waitingRequests) => ({ waitingRequests }))));

describe("queue-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it.each([
    // (10 - 0) / 10, (10 - 5) / 10, (10 - 10) / 10
    { waiting: [0, 5, 10], scores: [1, 0.5, 0] },
    // (8 - 4) / (8 - 4), (8 - 7) / (8 - 4), (8 - 8) / (8 - 4)
    { waiting: [4, 7, 8], scores: [1, 0.25, 0] },
    { waiting: [3, 3, 3], scores: [1, 1, 1] },
    { waiting: [0], scores: [1] },
    { waiting: [99], scores: [1] },
  ])("scores $waiting waiting requests $scores", ({ waiting, scores }) => {
    expect(scoresFor(...waiting)).toEqual(scores);
  });

  it("scores an unknown queue 0.5, and the others as if it were not there", () => {
    // (10 - 2) / (10 - 2) and (10 - 10) / (10 - 2); nothing is known of the second.
    expect(scoresFor(2, Number.NaN, 10)).toEqual([1, 0.5, 0]);
  });

  it("scores 0.5 for every candidate if no queue is known", () => {
    expect(scoresFor(Number.NaN, Number.NaN)).toEqual([0.5, 0.5]);
  });

  it("ranks by waiting requests alone", () => {
    const load = aLoad([
      { waitingRequests: 3, runningRequests: 90, kvCacheUsedRatio: 1, inFlightRequests: 90 },
      { waitingRequests: 4, runningRequests: 0, kvCacheUsedRatio: 0 },
    ]);
    // The least has 4 requests: 1 - 1 / (4 - 2)
    expect(scoresByRow(scorer, load)).toEqual([1, 0.5]);
  });

  it.each([
    // All have 20 requests or more, so the range is 18 at least: 1 - 1 / 18
    { waiting: [0, 1], running: [20, 20], scores: [1, 1 - 1 / 18] },
    // 23 and 24 requests: 1 - 1 / 21
    { waiting: [22, 23], running: [1, 1], scores: [1, 1 - 1 / 21] },
    // 25 apart is more than 20: 1 - 25 / 25
    { waiting: [0, 25], running: [20, 20], scores: [1, 0] },
    // One has nothing to do, so every difference counts in full: 1 - 1 / 1
    { waiting: [0, 1, 0], running: [20, 20, 0], scores: [1, 0, 1] },
  ])(
    "scores $waiting waiting next to $running running requests $scores",
    ({ waiting, running, scores }) => {
      const rows = waiting.map((waitingRequests, index) => ({
        waitingRequests,
        runningRequests: running[index] ?? 0,
      }));
      expect(scoresByRow(scorer, aLoad(rows))).toEqual(scores);
    },
  );

  it("takes no parameters", () => {
    expect(queueScorer.params.safeParse({}).success).toBe(true);
    expect(queueScorer.params.safeParse({ threshold: 1 }).success).toBe(false);
  });
});
