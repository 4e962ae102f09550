import { describe, expect, it, vi } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import { aSentRequest } from "#test/support/sent-requests.ts";
import { WorkCurve } from "../pace/work-curve.ts";
import { EndpointHealth } from "./endpoint-health.ts";
import { HealthRow } from "./health-row.ts";
import { LateJudge } from "./late-judge.ts";
import { defaultHealth } from "./phases.ts";

const work = { tokens: 100, requests: 1 };
/** Milliseconds between two looks. */
const lookMs = 250;
const endpointsCount = 80;

/** An endpoint whose last answers were all late. */
function lateRow(slot: number): HealthRow {
  const row = new HealthRow(anEndpoint({ slot }));
  for (let order = 0; order < 20; order += 1) row.pace.curve.note(work, 50);
  for (let order = 0; order < 12; order += 1) {
    const logUsual = Math.log(50);
    const late = { order, client: order, atMs: 1_000 + order, ttftMs: 300, work, logUsual };
    row.late.note({ ...late, isKnown: true, isUsual: true });
  }
  return row;
}

describe("judging late endpoints of a large pool", () => {
  const rows = new Map(
    Array.from({ length: endpointsCount }, (_, slot) => [slot, lateRow(slot)] as const),
  );

  it("compares four with the others in each look, all of them in turn", () => {
    const judge = new LateJudge(rows, () => defaultHealth);
    const first: number[] = [];
    for (let look = 1; look <= 4; look += 1) {
      const inTurn = judge.inTurn();
      expect(new Set(inTurn)).toEqual(new Set(rows.values()));
      first.push(inTurn[0]?.endpoint.slot ?? -1);
      for (const row of inTurn) judge.ofRun(row, "look", 2_000 + look * lookMs);
    }
    expect(first).toEqual([0, 4, 8, 12]);
  });

  it("leaves room for looks, however many answers are late, and answers in turn", () => {
    const judge = new LateJudge(rows, () => defaultHealth);
    expect(judge.hasRoom(2_000)).toBe(true);
    for (const row of rows.values()) judge.ofRun(row, "answer", 2_000);
    expect(judge.hasRoom(2_000)).toBe(false);
    for (const row of judge.inTurn()) judge.ofRun(row, "look", 2_000);
    expect(judge.inTurn()[0]).toBe(rows.get(4));
    expect(judge.hasRoom(2_000 + lookMs)).toBe(true);
  });

  it("compares endpoints of a small pool as often as they ask", () => {
    const few = new Map([...rows].slice(0, 8));
    const judge = new LateJudge(few, () => defaultHealth);
    for (let time = 0; time < 4; time += 1) {
      for (const row of few.values()) judge.ofRun(row, "look", 2_000);
    }
    expect(judge.inTurn()[0]).toBe(few.get(0));
  });
});

describe("a large pool whose answers all become late at once", () => {
  it("reads few of the others for each answer", () => {
    const pool = endpoints(256);
    const signs = scriptedSigns(256);
    const health = new EndpointHealth({ onEvent: () => undefined, signs });
    health.settings = { ...defaultHealth, slowStartMs: 0 };
    health.follow({ added: pool, removed: [], updated: [], refused: [] }, true, 0);
    let nowMs = 1_000;
    const all = (ttftMs: number, rounds: number) => {
      for (let round = 0; round < rounds; round += 1) {
        const sent = pool.flatMap(
          (endpoint) => health.sent(endpoint, { ...aSentRequest, client: round }, nowMs) ?? [],
        );
        nowMs += ttftMs;
        health.tick(nowMs);
        for (const one of sent) one.began(nowMs);
        for (const one of sent) one.ended("complete", nowMs);
      }
    };
    all(50, 30);
    const reads = vi.spyOn(WorkCurve.prototype, "logUsual");
    all(300, 20);
    const answers = 20 * 256;
    expect(reads.mock.calls.length / answers).toBeLessThan(50);
    expect(pool.every((endpoint) => health.stateOf(endpoint).phase === "ready")).toBe(true);
    reads.mockRestore();
  });
});
