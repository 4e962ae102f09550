import { describe, expect, it } from "vitest";
import type { DecisionRecord } from "../core/decision-record.ts";
import { decisionsPage } from "./decisions-page.ts";

const record = (id: number, requestId: string): DecisionRecord => ({
  id,
  requestId,
  atMs: 1_000 + id,
  api: "chat",
  model: "m",
  targetModel: "m",
  priority: 0,
  promptTokens: 3,
  profile: "default",
  picked: ["default/a"],
  refusal: undefined,
  refusalMessage: undefined,
  rollout: undefined,
  stay: undefined,
  margin: 0.5,
  candidates: [],
  candidateCount: 0,
  isWhole: true,
  leftOut: [],
  profiles: [],
  predicted: undefined,
  actual: undefined,
});

const records = Array.from({ length: 150 }, (_, index) => record(150 - index, `r${index % 2}`));
const source = {
  last: (count: number) => records.slice(0, count),
  ofRequest: (requestId: string) => records.filter((each) => each.requestId === requestId),
  byId: (id: number) => records.find((each) => each.id === id),
};
// Monotonic 2,000 is the year 2026 here.
const clock = { nowMs: () => 2_000, wallMs: () => Date.UTC(2026, 0, 1) };

function answer(query: string) {
  const page = decisionsPage(new URLSearchParams(query), source, clock);
  return {
    status: page.httpStatus,
    // The page is made by `jsonPage` where the status is 200.
    ids:
      page.httpStatus === 200
        ? (JSON.parse(page.body) as { decisions: { id: number }[] }).decisions.map(({ id }) => id)
        : undefined,
    body: page.body,
  };
}

describe("/debug/decisions", () => {
  it("shows the last ten, newest first, and as many as asked for up to a hundred", () => {
    expect(answer("").ids).toHaveLength(10);
    expect(answer("").ids?.[0]).toBe(150);
    expect(answer("last=3").ids).toEqual([150, 149, 148]);
    expect(answer("last=100000").ids).toHaveLength(100);
  });

  it("shows those of a request, and one by its number", () => {
    expect(answer("request=r1").ids).toHaveLength(75);
    expect(answer("request=nobody").ids).toEqual([]);
    expect(answer("id=7").ids).toEqual([7]);
    expect(answer("id=7000").ids).toEqual([]);
  });

  it("says when a decision was made, by the calendar", () => {
    // Decision 150 was made at monotonic 1,150: 850 ms before the year began.
    expect(answer("last=1").body).toContain('"at": "2025-12-31T23:59:59.150Z"');
  });

  it.each(["last=0", "last=x", "last=-1", "id=1.5", "id="])("refuses %s", (query) => {
    expect(answer(query).status).toBe(400);
  });

  it("says what may be asked", () => {
    expect(answer("lst=3").body).toMatch(/^unknown parameter lst; want last=N/);
  });
});
