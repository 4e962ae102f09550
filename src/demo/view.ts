import { comparisonRowsOf, ratiosOf, timesOf } from "./comparison.ts";
import type { EngineState } from "./engines.ts";
import type { DemoEvent } from "./events.ts";
import type { DecisionTimes, Pick } from "./picks.ts";
import { type PolicyName, policyTitles } from "./policies.ts";
import { type Column, rowOf, titleRowOf } from "./table.ts";
import type { Quantiles, Tallied } from "./tally.ts";
import { durationOf, type Line, minutesOf, percentOf, toned } from "./text.ts";

/** Results of the load on one engine. */
interface EngineTraffic {
  /** Share of the recent traffic of its pool, 0..1. */
  readonly trafficShare: number;
  /** Of recent streams. */
  readonly ttft: Quantiles | undefined;
}

/** One of the pools at one moment. */
export interface PoolView {
  readonly total: Tallied;
  /** Of the last seconds, of which the live quantiles are. */
  readonly recent: Tallied;
  readonly requestsUnderWay: number;
  readonly engines: readonly (EngineState & EngineTraffic)[];
}

/** All that the live view shows, at one moment. */
export interface DemoView {
  /** Address of Pointsman's pool. */
  readonly url: string;
  readonly elapsedSeconds: number;
  /** 0 for no end. */
  readonly seconds: number;
  /** The load in words. */
  readonly loadText: string;
  /** Requests so far, each to both pools. */
  readonly requestsSent: number;
  readonly pools: Readonly<Record<PolicyName, PoolView>>;
  readonly decisionTimes: DecisionTimes;
  /** Newest first. */
  readonly picks: readonly Pick[];
  /** Oldest first. */
  readonly events: readonly DemoEvent[];
  /** Delay of this process on a machine that is too busy. */
  readonly lateMs: number;
}

export interface ViewSize {
  readonly columns: number;
  readonly rows: number;
}

/** Terminal columns from which there is room for the address, hits and a gap between the pools. */
const wideColumns = 76;

const picksShownMax = 6;
const eventsShownMax = 5;

/** Delay from which the times of both pools are those of the machine. */
const lateMsMax = 20;

/** The view as at most `size.rows` lines, if that leaves room for all engines. */
export function viewLinesOf(view: DemoView, size: ViewSize): readonly Line[] {
  const engineColumns = engineColumnsFor(size.columns);
  const engines = enginePairsOf(view.pools);
  const lines: Line[] = [
    headLineOf(view, size.columns),
    [toned(` ${view.loadText}`, "dim")],
    [],
    ...comparisonLinesOf(view),
    [],
    ...engineTitlesOf(engineColumns),
    ...engines.map((pair) => [toned(rowOf(engineColumns, pair))]),
    ...lateLinesOf(view),
  ];
  const eventLines = view.events.slice(-eventsShownMax).map(eventLineOf);
  if (eventLines.length > 0) lines.push([], ...eventLines);
  // A blank line and the titles come before the picks.
  const picksShown = Math.min(picksShownMax, size.rows - lines.length - 2);
  if (picksShown < 1) return lines;
  const pickColumns = pickColumnsFor(view.pools.pointsman.engines);
  const picks = view.picks.slice(0, picksShown).map((pick) => [toned(rowOf(pickColumns, pick))]);
  return [...lines, [], [toned(titleRowOf(pickColumns), "dim")], ...picks];
}

function headLineOf(view: DemoView, columns: number): Line {
  const end = view.seconds === 0 ? "" : ` of ${minutesOf(view.seconds)}`;
  return [
    toned(" Pointsman demo", "strong"),
    toned(`   ${minutesOf(view.elapsedSeconds)}${end}   `),
    ...(columns < wideColumns ? [] : [toned(view.url, "strong"), toned("   ")]),
    toned("Ctrl-C ends it", "dim"),
  ];
}

function comparisonLinesOf({ pools }: DemoView): readonly Line[] {
  const recent = { roundRobin: pools.roundRobin.recent, pointsman: pools.pointsman.recent };
  const [titles = "", roundRobin = "", pointsman = ""] = comparisonRowsOf(recent);
  const { p50, p95 } = ratiosOf(recent);
  return [
    [toned(titles, "dim")],
    [toned(roundRobin)],
    [toned(pointsman, "strong")],
    [
      toned(" ratio        ", "dim"),
      toned(timesOf(p50).padStart(8), toneOf(p50)),
      toned(`  ${timesOf(p95).padStart(6)}`, toneOf(p95)),
      toned("  of the last 20 s", "dim"),
    ],
  ];
}

function toneOf(ratio: number | undefined): "plain" | "good" | "bad" {
  if (ratio === undefined) return "plain";
  return ratio < 1 ? "bad" : "good";
}

/** The same engine of both pools. */
interface EnginePair {
  readonly name: string;
  readonly roundRobin: PoolView["engines"][number] | undefined;
  readonly pointsman: PoolView["engines"][number] | undefined;
}

function enginePairsOf({ roundRobin, pointsman }: DemoView["pools"]): readonly EnginePair[] {
  return pointsman.engines.map((engine) => ({
    name: engine.name,
    pointsman: engine,
    roundRobin: roundRobin.engines.find(({ name }) => name === engine.name),
  }));
}

function engineColumnsFor(terminalColumns: number): readonly Column<EnginePair>[] {
  const isWide = terminalColumns >= wideColumns;
  const columnsOf = (policy: PolicyName): readonly Column<EnginePair>[] => [
    { title: "traffic", width: 7, cell: (pair) => percentOf(pair[policy]?.trafficShare) },
    { title: "queue", width: 5, cell: (pair) => String(pair[policy]?.waitingRequests ?? "-") },
    ...(isWide
      ? [
          {
            title: "hits",
            width: 5,
            cell: (pair: EnginePair) => percentOf(pair[policy]?.hitRatio),
          },
        ]
      : []),
    { title: "p95", width: 6, cell: (pair) => durationOf(pair[policy]?.ttft?.p95Ms) },
  ];
  return [
    { title: "engine", width: 9, isLeft: true, cell: ({ name }) => name },
    ...columnsOf("roundRobin"),
    ...(isWide ? [{ title: "", width: 1, cell: () => "" }] : []),
    ...columnsOf("pointsman"),
  ];
}

/** The names of the pools over their columns, and the titles of these. */
function engineTitlesOf(columns: readonly Column<EnginePair>[]): readonly Line[] {
  const titles = titleRowOf(columns);
  const roundRobinAt = titles.indexOf("traffic");
  const pointsmanAt = titles.lastIndexOf("traffic");
  const names = `${"".padEnd(roundRobinAt)}${policyTitles.roundRobin}`;
  return [
    [toned(`${names.padEnd(pointsmanAt)}${policyTitles.pointsman}`, "dim")],
    [toned(titles, "dim")],
  ];
}

function lateLinesOf({ lateMs }: DemoView): readonly Line[] {
  const warning = lateWarningOf(lateMs);
  return warning === undefined ? [] : [[], [toned(` ${warning}`, "bad")]];
}

/** A warning about the delay of this process; undefined if it is small. */
export function lateWarningOf(lateMs: number): string | undefined {
  if (lateMs <= lateMsMax) return undefined;
  return `this machine is busy: all times include up to ${durationOf(lateMs)} of its own delay`;
}

function eventLineOf({ seconds, text }: DemoEvent): Line {
  return [toned(` ${minutesOf(seconds)}  `, "dim"), toned(text)];
}

function pickColumnsFor(engines: PoolView["engines"]): readonly Column<Pick>[] {
  const names = new Map(engines.map(({ hostPort, name }) => [hostPort, name]));
  const nameOf = (hostPort: string) => names.get(hostPort) ?? hostPort;
  return [
    {
      title: "picked",
      width: 9,
      isLeft: true,
      cell: ({ endpoint, isRefused }) =>
        endpoint === undefined ? (isRefused ? "refused" : "no engine") : nameOf(endpoint),
    },
    { title: "candidates", width: 10, cell: ({ candidates }) => String(candidates ?? "-") },
    {
      title: "predicted TTFT",
      width: 14,
      cell: ({ predictedTtftMs }) => durationOf(predictedTtftMs),
    },
    { title: "decided in", width: 10, cell: ({ decidedMs }) => durationOf(decidedMs) },
    { title: "took", width: 7, cell: ({ durationMs }) => durationOf(durationMs) },
    { title: "request", width: 40, isLeft: true, cell: requestTextOf },
  ];
}

function requestTextOf({ api, model, path, isStream }: Pick): string {
  const what = model === undefined ? path : `${api ?? path} ${model}`;
  return isStream ? `${what}, stream` : what;
}
