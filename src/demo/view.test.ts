import { describe, expect, it } from "vitest";
import { displayOn } from "./screen.ts";
import { breakingOf } from "./parts.ts";
import { type DemoEnd, plainLineOf, plainTitles, summaryLinesOf } from "./summary.ts";
import { Tally, type Tallied } from "./tally.ts";
import { plainTextOf } from "./text.ts";
import { type DemoView, type PoolView, viewLinesOf } from "./view.ts";

function tallied(p50Ms: number, p95Ms: number, hitRatio: number): Tallied {
  const counts = { requests: 120, errors: 0, streams: 120, computedTokens: 1_000 };
  return { ...counts, hitRatio, ttft: { p50Ms, p95Ms } };
}

const nothing: Tallied = {
  ...{ requests: 0, errors: 0, streams: 0, computedTokens: 0 },
  ...{ hitRatio: undefined, ttft: undefined },
};

function poolView(recent: Tallied, hitRatio: number, ports: readonly [number, number]): PoolView {
  const load = { waitingRequests: 3, runningRequests: 12, kvUsedRatio: 0.5 };
  const busy = { ...load, hitRatio, trafficShare: 0.75, ttft: { p50Ms: 170, p95Ms: 900 } };
  const idle = { waitingRequests: 0, runningRequests: 0, kvUsedRatio: 0, hitRatio: undefined };
  return {
    total: recent,
    recent,
    requestsUnderWay: 9,
    engines: [
      { name: "engine-0", hostPort: `127.0.0.1:${ports[0]}`, ...busy },
      {
        ...{ name: "engine-1", hostPort: `127.0.0.1:${ports[1]}`, ...idle },
        ...{ trafficShare: 0.25, ttft: undefined },
      },
    ],
  };
}

const aPick = {
  ...{ path: "/v1/chat/completions", api: "chat", model: "m", isStream: true, isRefused: false },
  ...{ endpoint: "127.0.0.1:8201", predictedTtftMs: 182.4, candidates: 2 },
  ...{ decidedMs: 0.21, durationMs: 1_250 },
};

const view: DemoView = {
  url: "http://127.0.0.1:8080",
  elapsedSeconds: 12.3,
  seconds: 30,
  loadText: "6 chats/s each: conversations with shared system prompts",
  requestsSent: 129,
  pools: {
    roundRobin: poolView(tallied(728, 2_468, 0.41), 0.44, [8_100, 8_101]),
    pointsman: poolView(tallied(182, 617, 0.82), 0.8, [8_200, 8_201]),
  },
  decisionTimes: { decisions: 129, meanMs: 0.074 },
  picks: [
    aPick,
    { ...aPick, path: "/v1/models", api: "passthrough", endpoint: undefined, isRefused: true },
  ],
  events: [],
  lateMs: 3,
};

const textsOf = (columns: number, rows: number, shown = view) =>
  viewLinesOf(shown, { columns, rows }).map(plainTextOf);

describe("viewLinesOf", () => {
  it("compares both pools on 80 columns", () => {
    expect(textsOf(80, 24)).toEqual([
      " Pointsman demo   0:12 of 0:30   http://127.0.0.1:8080   Ctrl-C ends it",
      " 6 chats/s each: conversations with shared system prompts",
      "",
      "              TTFT p50     p95   hits  requests  errors",
      " round robin    728 ms   2.5 s   41 %       120       0",
      " Pointsman      182 ms  617 ms   82 %       120       0",
      // 728 / 182 and 2,468 / 617.
      " ratio           4.0 x   4.0 x  of the last 20 s",
      "",
      "            round robin                       Pointsman",
      " engine     traffic  queue   hits     p95     traffic  queue   hits     p95",
      " engine-0      75 %      3   44 %  900 ms        75 %      3   80 %  900 ms",
      " engine-1      25 %      0      -       -        25 %      0      -       -",
      "",
      " picked     candidates  predicted TTFT  decided in     took  request",
      " engine-1            2          182 ms     0.21 ms    1.3 s  chat m, stream",
      " refused             2          182 ms     0.21 ms    1.3 s  passthrough m, stream",
    ]);
  });

  it.each([
    { columns: 80, widthMax: 80 },
    { columns: 60, widthMax: 60 },
  ])("fits $columns columns, but for the picks", ({ columns, widthMax }) => {
    const widths = textsOf(columns, 12).map((line) => line.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(widthMax);
  });

  it.each([
    { rows: 24, picks: 2 },
    { rows: 15, picks: 1 },
    { rows: 14, picks: 0 },
    { rows: 3, picks: 0 },
  ])("shows $picks picks on $rows rows", ({ rows, picks }) => {
    // Twelve lines say the rest, and two more come before the picks.
    expect(textsOf(80, rows)).toHaveLength(picks === 0 ? 12 : 14 + picks);
  });

  it("shows the latest events", () => {
    const events = Array.from({ length: 9 }, (_, index) => ({
      seconds: 60 + index,
      text: `event ${index}`,
    }));
    const texts = textsOf(80, 40, { ...view, events });
    expect(texts.filter((line) => line.includes("event"))).toEqual(
      [4, 5, 6, 7, 8].map((index) => ` 1:0${index}  event ${index}`),
    );
  });

  it("warns if the machine is too busy for the comparison", () => {
    const lines = viewLinesOf({ ...view, lateMs: 42 }, { columns: 80, rows: 24 });
    expect(lines.flat()).toContainEqual({
      text: " this machine is busy: all times include up to 42 ms of its own delay",
      tone: "bad",
    });
  });

  it("has no ratio before both pools have answered", () => {
    const pools = { ...view.pools, pointsman: poolView(nothing, 0, [8_200, 8_201]) };
    expect(textsOf(80, 24, { ...view, pools })).toContain(
      " ratio               -       -  of the last 20 s",
    );
  });

  it("marks a ratio below 1, by which Pointsman is slower", () => {
    const pools = { pointsman: view.pools.roundRobin, roundRobin: view.pools.pointsman };
    const lines = viewLinesOf({ ...view, pools }, { columns: 80, rows: 24 });
    expect(lines.flat()).toContainEqual({ text: "   0.3 x", tone: "bad" });
  });
});

describe("plainLineOf", () => {
  it("fits its titles and 80 columns", () => {
    expect([plainTitles, plainLineOf(view)]).toEqual([
      "time   round robin p50     p95    Pointsman p50     p95  ratio p50     p95",
      "0:12            728 ms   2.5 s           182 ms  617 ms      4.0 x   4.0 x",
    ]);
  });
});

describe("displayOn", () => {
  it("writes plain lines where there is no terminal, each event once and before the line after it", () => {
    let written = "";
    const display = displayOn(
      {
        ...{ isTty: false, hasColours: false, size: () => ({ columns: 80, rows: 24 }) },
        ...{ write: (text) => (written += text), onResize: () => () => undefined },
      },
      ["Live page: x"],
    );
    const first = { seconds: 10.4, text: "engine-1 is ten times slower" };
    const second = { seconds: 11, text: "Pointsman ejects engine-1" };
    display.show({ ...view, events: [first] });
    display.show({ ...view, events: [first, second] });
    display.show({ ...view, events: [first, second] });
    const line = plainLineOf(view);
    expect(written.split("\n")).toEqual([
      ...["Live page: x", plainTitles],
      ...["0:10   engine-1 is ten times slower", line],
      ...["0:11   Pointsman ejects engine-1", line, line, ""],
    ]);
  });
});

const aPoolEnd = { results: new Map([["200", 120]]), requestsUnfinished: 0, requestsHeldBack: 0 };

describe("summaryLinesOf", () => {
  it("sums the run up", () => {
    const end: DemoEnd = {
      ...{ view, ingress: "envoy", breaking: undefined },
      pools: { roundRobin: aPoolEnd, pointsman: aPoolEnd },
    };
    expect(summaryLinesOf(end)).toEqual([
      "Pointsman demo: 12 s through Envoy",
      "129 chats, each to two pools of 2 engines",
      "",
      "              TTFT p50     p95   hits  requests  errors",
      " round robin    728 ms   2.5 s   41 %       120       0",
      " Pointsman      182 ms  617 ms   82 %       120       0",
      "",
      " round robin takes 4.0 x as long to the first token, 4.0 x at p95",
      " 129 decisions of Pointsman took 0.07 ms each",
    ]);
  });

  it("says what failed, was cut short or held back, and for which pool", () => {
    const results = new Map([
      ["200", 7],
      ["503", 2],
    ]);
    const bad = { results, requestsUnfinished: 4, requestsHeldBack: 5 };
    const end: DemoEnd = {
      ...{ view: { ...view, lateMs: 30 }, ingress: "http", breaking: undefined },
      pools: { roundRobin: bad, pointsman: aPoolEnd },
    };
    const lines = summaryLinesOf(end);
    expect(lines[0]).toContain("through the HTTP gateway");
    expect(lines.slice(-2)).toEqual([
      " round robin: 503: 2, no answer by the end: 4, not sent, too many in flight: 5",
      " this machine is busy: all times include up to 30 ms of its own delay",
    ]);
  });

  it("compares the times before, while and after an engine was broken", () => {
    const lane = { tally: new Tally() };
    const answer = { endedMs: 99, result: "200", isError: false };
    lane.tally.add({ ...answer, sentMs: 1, ttftMs: 100, servedBy: "engine-1" });
    lane.tally.add({ ...answer, sentMs: 10, ttftMs: 7_000, servedBy: "engine-1" });
    lane.tally.add({ ...answer, sentMs: 19, isError: true });
    lane.tally.add({ ...answer, sentMs: 20, ttftMs: 300, servedBy: "engine-0" });
    const times = { brokenMs: 10, mendedMs: 20 };
    const broken = { engine: "engine-1", what: "is slow", times };
    const breaking = breakingOf(broken, { roundRobin: lane, pointsman: lane });
    const pools = { roundRobin: aPoolEnd, pointsman: aPoolEnd };
    const lines = summaryLinesOf({ view, ingress: "http", pools, breaking });
    expect(lines.slice(lines.indexOf(" engine-1 is slow, in both pools:"))).toEqual([
      " engine-1 is slow, in both pools:",
      "",
      " sent            TTFT p50     p95  over 5.0 s   by engine-1  errors",
      " before",
      "   round robin     100 ms  100 ms         0 %         100 %       0",
      "   Pointsman       100 ms  100 ms         0 %         100 %       0",
      " while broken",
      "   round robin      7.0 s   7.0 s        50 %          50 %       1",
      "   Pointsman        7.0 s   7.0 s        50 %          50 %       1",
      " afterwards",
      "   round robin     300 ms  300 ms         0 %           0 %       0",
      "   Pointsman       300 ms  300 ms         0 %           0 %       0",
    ]);
  });

  it("leaves out what did not come to pass", () => {
    const lane = { tally: new Tally() };
    const lanes = { roundRobin: lane, pointsman: lane };
    const engine = { engine: "engine-1", what: "is slow" };
    const never = { brokenMs: undefined, mendedMs: undefined };
    expect(breakingOf({ ...engine, times: never }, lanes)).toBeUndefined();
    const still = { brokenMs: 10, mendedMs: undefined };
    const titles = breakingOf({ ...engine, times: still }, lanes)?.parts.map(({ title }) => title);
    expect(titles).toEqual(["before", "while broken"]);
  });
});
