import { describe, expect, it } from "vitest";
import { type DemoEnd, plainLineOf, summaryLinesOf } from "./summary.ts";
import { plainTextOf } from "./text.ts";
import { type DemoView, viewLinesOf } from "./view.ts";

const tallied = {
  ...{ requests: 120, errors: 0, streams: 80, hitRatio: 0.41 },
  ttft: { p50Ms: 182, p95Ms: 1_234 },
};

const view: DemoView = {
  url: "http://127.0.0.1:8080",
  elapsedSeconds: 12.3,
  seconds: 30,
  total: tallied,
  recent: tallied,
  requestsPerSecond: 14.83,
  requestsUnderWay: 9,
  decisionTimes: { decisions: 129, meanMs: 0.074 },
  engines: [
    {
      ...{ name: "engine-0", hostPort: "127.0.0.1:8200", waitingRequests: 3, runningRequests: 12 },
      ...{ kvUsedRatio: 0.5, hitRatio: 0.44, requests: 90, trafficShare: 0.75 },
      ttft: { p50Ms: 170, p95Ms: 900 },
    },
    {
      ...{ name: "engine-1", hostPort: "127.0.0.1:8201", waitingRequests: 0, runningRequests: 0 },
      ...{ kvUsedRatio: 0, hitRatio: undefined, requests: 30, trafficShare: 0.25 },
      ttft: undefined,
    },
  ],
  picks: [
    {
      ...{ path: "/v1/chat/completions", api: "chat", model: "m", isStream: true },
      ...{
        endpoint: "127.0.0.1:8201",
        isRefused: false,
        predictedTtftMs: 182.4,
        candidates: 2,
        decidedMs: 0.21,
      },
      durationMs: 1_250,
    },
    {
      ...{ path: "/v1/models", api: "passthrough", model: undefined, isStream: false },
      ...{
        endpoint: undefined,
        isRefused: true,
        predictedTtftMs: undefined,
        candidates: undefined,
        decidedMs: undefined,
      },
      durationMs: undefined,
    },
    {
      ...{ path: "/v1/models", api: undefined, model: undefined, isStream: false },
      ...{ endpoint: undefined, isRefused: false, predictedTtftMs: undefined },
      ...{ candidates: undefined, decidedMs: undefined, durationMs: 0.16 },
    },
  ],
};

const textsOf = (columns: number, rows: number) =>
  viewLinesOf(view, { columns, rows }).map(plainTextOf);

describe("viewLinesOf", () => {
  it("fits 80 columns", () => {
    expect(textsOf(80, 24)).toEqual([
      " Pointsman demo   0:12 of 0:30   http://127.0.0.1:8080   Ctrl-C ends it",
      "",
      " load    14.8 requests/s   120 requests   0 errors   9 in flight",
      " TTFT    p50 182 ms   p95 1.2 s   prefix hits 41 % of prompt tokens",
      " picker  129 decisions   0.07 ms each",
      "",
      " engine     queue  running  KV cache        hits  traffic          TTFT     p95",
      " engine-0       3       12  ████░░░  50 %   44 %  █████░░  75 %  170 ms  900 ms",
      " engine-1       0        0  ░░░░░░░   0 %      -  ██░░░░░  25 %       -       -",
      "",
      " picked     candidates  predicted TTFT  decided in     took  request",
      " engine-1            2          182 ms     0.21 ms    1.3 s  chat m, stream",
      " refused             -               -           -        -  /v1/models",
      " no engine           -               -           -  0.16 ms  /v1/models",
    ]);
  });

  it("shows more on a wide terminal: longer bars and a column of counts", () => {
    const [, , , , , , titles = "", row = ""] = textsOf(140, 24);
    expect(titles).toMatch(/requests$/);
    expect(row).toMatch(/█{12}░{12} .* {2}90$/);
    expect(row.length).toBeLessThanOrEqual(140);
  });

  it.each([
    { rows: 24, picks: 3 },
    { rows: 13, picks: 2 },
    { rows: 12, picks: 1 },
    { rows: 11, picks: 0 },
    { rows: 3, picks: 0 },
  ])("shows $picks picks on $rows rows", ({ rows, picks }) => {
    // Nine lines say the rest, and two more come before the picks.
    expect(textsOf(80, rows)).toHaveLength(picks === 0 ? 9 : 11 + picks);
  });

  it("marks errors", () => {
    const errors = { ...view, total: { ...tallied, errors: 1 } };
    const segments = viewLinesOf(errors, { columns: 80, rows: 24 }).flat();
    expect(segments).toContainEqual({ text: "1 error", tone: "bad" });
  });
});

describe("plainLineOf", () => {
  it("says it all in one line", () => {
    expect(plainLineOf(view)).toBe(
      "0:12  14.8 requests/s  120 requests  0 errors  TTFT p50 182 ms p95 1.2 s  hits 41 %  " +
        "129 decisions at 0.07 ms  queue 3/0  running 12/0  KV 50/0 %  traffic 75/25 %",
    );
  });
});

describe("summaryLinesOf", () => {
  it("sums the run up", () => {
    const end: DemoEnd = {
      view,
      ingress: "envoy",
      results: new Map([["200", 120]]),
      requestsUnfinished: 0,
      requestsHeldBack: 0,
    };
    // 120 requests in 12.3 s are 9.8 a second.
    expect(summaryLinesOf(end)).toEqual([
      "Pointsman demo: 12.3 s of real requests through Envoy",
      "  requests    120, 0 errors, 9.8/s",
      "  answers     200: 120",
      "  TTFT        p50 182 ms, p95 1.2 s, 80 streams",
      "  prefix hits 41 % of prompt tokens",
      "  decisions   129, 0.07 ms each",
      "  engine-0    90 requests, 75 %",
      "  engine-1    30 requests, 25 %",
    ]);
  });

  it("says what was cut short, held back or went wrong", () => {
    const results = new Map([
      ["200", 7],
      ["503", 2],
    ]);
    const counts = { requestsUnfinished: 4, requestsHeldBack: 5 };
    const end: DemoEnd = { view, ingress: "http", results, ...counts };
    expect(summaryLinesOf(end)[0]).toContain("real requests through the HTTP gateway");
    expect(summaryLinesOf(end)).toContain("  answers     200: 7, 503: 2");
    expect(summaryLinesOf(end)).toContain("  unfinished  4, cut short by the end of the demo");
    expect(summaryLinesOf(end)).toContain("  held back   5, because too many were in flight");
  });
});
