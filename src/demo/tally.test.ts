import { describe, expect, it } from "vitest";
import { type Outcome, Tally } from "./tally.ts";

const outcome = (endedMs: number, rest: Partial<Outcome> = {}): Outcome => ({
  sentMs: endedMs - 1,
  endedMs,
  result: "200",
  isError: false,
  servedBy: "engine-0",
  ...rest,
});

describe("Tally", () => {
  it("knows nothing before the first outcome", () => {
    expect(new Tally().total()).toEqual({
      requests: 0,
      errors: 0,
      streams: 0,
      ttft: undefined,
      hitRatio: undefined,
      computedTokens: 0,
    });
  });

  it("counts requests, errors, results and engines", () => {
    const tally = new Tally();
    tally.add(outcome(1));
    tally.add(outcome(2, { servedBy: "engine-1" }));
    tally.add(outcome(3, { result: "503", isError: true, servedBy: undefined }));
    expect(tally.total()).toMatchObject({ requests: 3, errors: 1 });
    expect(Object.fromEntries(tally.results)).toEqual({ 200: 2, 503: 1 });
    expect(Object.fromEntries(tally.requestsByEngine)).toEqual({ "engine-0": 1, "engine-1": 1 });
  });

  it("takes quantiles of the streams, by nearest rank", () => {
    const tally = new Tally();
    for (let ttftMs = 100; ttftMs >= 1; ttftMs -= 1) tally.add(outcome(1, { ttftMs }));
    tally.add(outcome(1));
    // Of 1..100, 50 values do not exceed 50, and 95 do not exceed 95.
    expect(tally.total()).toMatchObject({ streams: 100, ttft: { p50Ms: 50, p95Ms: 95 } });
  });

  it("weighs hits by tokens", () => {
    const tally = new Tally();
    tally.add(outcome(1, { promptTokens: 100, cachedTokens: 100 }));
    tally.add(outcome(2, { promptTokens: 300, cachedTokens: 0 }));
    // 100 of 400 tokens.
    expect(tally.total()).toMatchObject({ hitRatio: 0.25, computedTokens: 300 });
  });

  it("tells the recent outcomes by engine", () => {
    const tally = new Tally();
    tally.add(outcome(10, { ttftMs: 1 }));
    tally.add(outcome(20, { ttftMs: 2 }));
    tally.add(outcome(30, { ttftMs: 3, servedBy: "engine-1" }));
    const { all, byEngine } = tally.since(20);
    expect(all.requests).toBe(2);
    expect(byEngine.get("engine-0")?.ttft?.p50Ms).toBe(2);
    expect(byEngine.get("engine-1")?.ttft?.p50Ms).toBe(3);
  });

  it("tells the requests of a period by when they were sent", () => {
    const tally = new Tally();
    tally.add(outcome(50, { sentMs: 9, ttftMs: 1 }));
    tally.add(outcome(60, { sentMs: 10, ttftMs: 6_000, servedBy: "engine-1" }));
    tally.add(outcome(70, { sentMs: 11, ttftMs: 5_000 }));
    tally.add(outcome(70, { sentMs: 12, isError: true, servedBy: undefined }));
    tally.add(outcome(80, { sentMs: 20, ttftMs: 1 }));
    const period = tally.sentIn({ startMs: 10, endMs: 20 }, "engine-1");
    // Of three requests, one is of engine-1, one is late, and one failed.
    expect(period).toMatchObject({ requests: 3, errors: 1, engineShare: 1 / 3, lateShare: 1 / 3 });
    const empty = tally.sentIn({ startMs: 90, endMs: 99 }, "engine-1");
    expect(empty).toMatchObject({ requests: 0, engineShare: undefined, lateShare: undefined });
  });

  it("keeps counting when it has dropped the oldest outcomes", () => {
    const tally = new Tally();
    for (let index = 0; index < 40_000; index += 1) tally.add(outcome(index, { ttftMs: index }));
    expect(tally.total().requests).toBe(40_000);
    expect(tally.total().streams).toBeLessThanOrEqual(30_000);
    expect(tally.since(39_999).all.requests).toBe(1);
  });

  it("tells a limited number of results apart", () => {
    const tally = new Tally();
    for (let index = 0; index < 50; index += 1) tally.add(outcome(1, { result: `e${index}` }));
    // Twelve by name and the rest together.
    expect(tally.results.size).toBe(13);
    expect(tally.results.get("other")).toBe(38);
  });
});
