import { describe, expect, it } from "vitest";
import { anEndpoint, aContext, aRequest, aHead } from "#test/support/builders.ts";
import { DecisionLog } from "./decision-log.ts";
import { recentDecisionsOf } from "./recent-decisions.ts";

const [a, b] = [anEndpoint({ slot: 0 }), anEndpoint({ slot: 1 })];

function record(log: DecisionLog, id: string, isRefused = false): number {
  const request = aRequest({ head: aHead({ id }), promptTokens: 100 });
  return log.record({
    context: aContext({ request, nowMs: 5 }),
    candidates: [a, b],
    runs: isRefused ? [] : [run],
    primary: isRefused ? undefined : run,
    prefixMatch: undefined,
    prediction: undefined,
    picked: { prefixHit: undefined, latency: { producer: "p", ttftMs: 80, tpotMs: 9 } },
  });
}

// Only what the log copies.
const run = {
  profile: { name: "default", filters: [], scorers: [] },
  began: [a, b],
  kept: [],
  judged: [a, b],
  totals: Float64Array.of(1, 2),
  scores: [],
  picked: [1],
} as unknown as Parameters<DecisionLog["record"]>[0]["runs"][number];

const actual = (parts: object) => ({
  ttftMs: undefined,
  tpotMs: undefined,
  cachedTokens: undefined,
  promptTokens: undefined,
  servedBy: undefined,
  end: "complete" as const,
  ...parts,
});

describe("the last decisions in lines", () => {
  it("are newest first, as many as wanted, and all are counted", () => {
    const log = new DecisionLog();
    for (const id of ["r1", "r2", "r3"]) record(log, id);
    const { count, lines } = recentDecisionsOf(log.kept(), 2);
    expect(count).toBe(3);
    expect(lines).toEqual([
      expect.objectContaining({ id: 3, requestId: "r3", picked: b.id, candidates: 2, atMs: 5 }),
      expect.objectContaining({ id: 2, requestId: "r2", actual: undefined }),
    ]);
    expect(lines[0]?.predicted).toMatchObject({ ttftMs: 80 });
  });

  it("name no endpoint for a request that was refused", () => {
    const log = new DecisionLog();
    record(log, "r", true);
    expect(recentDecisionsOf(log.kept(), 9).lines[0]?.picked).toBeUndefined();
  });

  it("are none before the first one", () => {
    expect(recentDecisionsOf(new DecisionLog().kept(), 9)).toEqual({
      count: 0,
      lines: [],
      answers: new Map(),
    });
  });
});

describe("the answers of endpoints", () => {
  it("are summed by the address that served, without attempts that gave no answer", () => {
    const log = new DecisionLog({ recordsMax: 8 });
    const ids = ["1", "2", "3", "4", "5", "6"].map((id) => record(log, id));
    const ends = [
      { cachedTokens: 30, promptTokens: 100, ttftMs: 50 },
      { cachedTokens: 0, promptTokens: 60, ttftMs: 70 },
      // Engines that do not report cached tokens say nothing about hits.
      { promptTokens: 500 },
      { attempt: "failed" as const },
      { servedBy: a.hostPort, cachedTokens: 8, promptTokens: 9 },
      // Broken off before the usage came.
      { end: "broken" as const, ttftMs: 30 },
    ];
    for (const [index, end] of ends.entries()) log.ended(ids[index] ?? 0, actual(end));
    const { answers } = recentDecisionsOf(log.kept(), 0);
    expect(answers.get(b.hostPort)).toEqual({
      answers: 3,
      promptTokens: 160,
      cachedTokens: 30,
      ttftCount: 3,
      ttftMs: 150,
    });
    expect(answers.get(a.hostPort)).toMatchObject({ answers: 1, cachedTokens: 8 });
  });

  it("are those of the last 1,000 decisions, however many are kept", () => {
    const log = new DecisionLog({ recordsMax: 3_000 });
    for (let count = 0; count < 1_500; count += 1) log.ended(record(log, "r"), actual({}));
    expect(recentDecisionsOf(log.kept(), 0).answers.get(b.hostPort)?.answers).toBe(1_000);
  });

  it("forget decisions that were overwritten", () => {
    const log = new DecisionLog({ recordsMax: 2 });
    const ids = ["1", "2", "3"].map((id) => record(log, id));
    log.ended(ids[2] ?? 0, actual({ ttftMs: 10 }));
    const { answers, lines, count } = recentDecisionsOf(log.kept(), 9);
    expect([count, lines.length, answers.get(b.hostPort)?.answers]).toEqual([3, 2, 1]);
  });
});
