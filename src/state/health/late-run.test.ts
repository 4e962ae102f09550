import { describe, expect, it } from "vitest";
import { WorkCurve } from "../pace/work-curve.ts";
import { LateAnswers, type TimedAnswer } from "./late-answers.ts";
import { latenessOfRun } from "./late-run.ts";

const nowMs = 10_000;
const work = { tokens: 100, requests: 1 };
const judging = { factorMax: 3, answersMin: 0, nowMs };

/** Engines give such a prompt its first token in 50 ms, so it is late after 150. */
function rowOf(answers: readonly Partial<TimedAnswer>[]) {
  const curve = new WorkCurve();
  for (let count = 0; count < 20; count += 1) curve.note(work, 50);
  const late = new LateAnswers();
  const all = answers.map((answer, order) => ({
    order,
    client: order,
    atMs: nowMs,
    ttftMs: 200,
    work,
    logUsual: Math.log(50),
    isKnown: true,
    isUsual: true,
    ...answer,
  }));
  for (const answer of all.filter(({ isWaiting }) => isWaiting !== true)) late.note(answer);
  return {
    late,
    pace: { curve },
    waitingSoFar: () => all.filter(({ isWaiting }) => isWaiting === true),
  };
}

/** This many endpoints with 16 answers each since the first of ours was late. */
const peers = (count: number, ttftMs = 50) =>
  Array.from({ length: count }, () =>
    rowOf(Array.from({ length: 16 }, () => ({ ttftMs, atMs: nowMs - 100 }))),
  );

/** Late answers one after the other, each sent after the one before arrived. */
const oneByOne = (count: number, ttftMs = 200) =>
  Array.from({ length: count }, (_, index) => ({ atMs: 9_000 + index * 200, ttftMs }));

describe("a run of late first tokens", () => {
  it("shows by numbers that an engine is slow, with those of the others", () => {
    expect(latenessOfRun(rowOf(oneByOne(4)), () => peers(3), judging)).toEqual({
      answers: 4,
      ttftMs: 200,
      usualMs: 50,
      othersUsualMs: 50,
      workTokens: 100,
      factor: 4,
      factorMax: 3,
      othersFactor: 1,
      waiting: 0,
      times: 4,
      othersAnswers: 48,
      othersLate: 0,
    });
  });

  it("counts requests that still wait, as soon as they are late", () => {
    const waits = [151, 149].map((ttftMs) => ({ atMs: nowMs, ttftMs, isWaiting: true }));
    const evidence = latenessOfRun(rowOf([...oneByOne(3), ...waits]), () => peers(3), judging);
    expect(evidence).toMatchObject({ answers: 4, waiting: 1, times: 4 });
  });

  it.each([
    // One of 50 is late at a healthy engine: 0.5 / 0.02 = 25, and 25 ^ 4 is 390,625, 25 ^ 3 only
    // 15,625.
    [4, 3, true],
    [3, 3, false],
    // With 16 answers of others it may be one of 18: 9 ^ 6 = 531,441, 9 ^ 5 = 59,049.
    [6, 1, true],
    [5, 1, false],
    [16, 0, false],
  ])("of %d needs the answers of others: of %d endpoints: %s", (count, others, isSlow) => {
    const evidence = latenessOfRun(rowOf(oneByOne(count)), () => peers(others), judging);
    expect(evidence !== undefined).toBe(isSlow);
  });

  const [first, second, third, fourth] = oneByOne(4);
  it.each([
    [
      "one answer was on time",
      [first, second, { atMs: 9_500, ttftMs: 60 }, third, fourth],
      peers(3),
    ],
    [
      "a pause delayed all of them",
      [0, 10, 20, 30, 40].map((sentMs) => ({ atMs: 9_900, ttftMs: 700 - sentMs })),
      peers(3),
    ],
    [
      "two pauses did",
      [9_000, 9_000, 9_000, 9_800, 9_800, 9_800].map((atMs) => ({ atMs, ttftMs: 700 })),
      peers(3),
    ],
    ["the others are as slow", oneByOne(4), peers(3, 200)],
    ["some of the others are slow", oneByOne(4), [...peers(2), ...peers(1, 160)]],
    ["all come from one client", oneByOne(4).flatMap((one) => [{ ...one, client: 1 }]), peers(3)],
    ["they take less than three times as long as usual", oneByOne(4, 140), peers(3)],
  ])("shows nothing if %s", (_, answers, others) => {
    expect(
      latenessOfRun(rowOf(answers.flatMap((one) => one ?? [])), () => others, judging),
    ).toBeUndefined();
  });

  it("reads the others only after enough late answers: a tick judges every endpoint of a pool", () => {
    let lists = 0;
    const others = () => {
      lists += 1;
      return peers(3);
    };
    latenessOfRun(rowOf(oneByOne(3)), others, judging);
    expect(lists).toBe(0);
    latenessOfRun(rowOf(oneByOne(4)), others, judging);
    expect(lists).toBe(1);
  });

  it("is not broken by answers that are in time only for the most work that they may have needed", () => {
    const bounded = { atMs: 9_500, ttftMs: 60, isKnown: false };
    const run = [...oneByOne(5), bounded];
    // 25 ^ 5 x 0.75 / 0.98 = 7.5 million
    expect(latenessOfRun(rowOf(run), () => peers(3), judging)).toMatchObject({
      answers: 6,
      factor: 4,
    });
  });
});
