import type { EngineState } from "./engines.ts";
import type { DecisionTimes, Pick } from "./picks.ts";
import type { Quantiles, Tallied } from "./tally.ts";
import { type Column, rowOf, titleRowOf } from "./table.ts";
import { barOf, countOf, durationOf, type Line, minutesOf, percentOf, toned } from "./text.ts";

/** Results of the load on one engine. */
interface EngineTraffic {
  /** Requests since the start. */
  readonly requests: number;
  /** Share of the recent traffic, 0..1. */
  readonly trafficShare: number;
  /** Of recent streams. */
  readonly ttft: Quantiles | undefined;
}

/** All that the live view shows, at one moment. */
export interface DemoView {
  readonly url: string;
  readonly elapsedSeconds: number;
  /** 0 for no end. */
  readonly seconds: number;
  readonly total: Tallied;
  /** Of the last seconds, which the rate and the quantiles speak of. */
  readonly recent: Tallied;
  readonly requestsPerSecond: number;
  readonly requestsUnderWay: number;
  readonly decisionTimes: DecisionTimes;
  readonly engines: readonly (EngineState & EngineTraffic)[];
  /** Newest first. */
  readonly picks: readonly Pick[];
}

export interface ViewSize {
  readonly columns: number;
  readonly rows: number;
}

type EngineRow = DemoView["engines"][number];

/** Terminal columns from which there is room for one more column of the table. */
const wideColumns = 100;

/** Columns of a bar: less cannot be read, more says no more. */
const barWidth = { min: 4, max: 24 };

const picksShownMax = 12;

/** The view as at most `size.rows` lines, where that leaves room for all engines. */
export function viewLinesOf(view: DemoView, size: ViewSize): readonly Line[] {
  const engineColumns = engineColumnsFor(size.columns);
  const lines = [
    headLineOf(view),
    [],
    ...loadLinesOf(view),
    [],
    [toned(titleRowOf(engineColumns), "dim")],
    ...view.engines.map((engine) => [toned(rowOf(engineColumns, engine))]),
  ];
  // A blank line and the titles come before the picks.
  const picksShown = Math.min(picksShownMax, size.rows - lines.length - 2);
  if (picksShown < 1) return lines;
  const pickColumns = pickColumnsFor(view.engines);
  const picks = view.picks.slice(0, picksShown).map((pick) => [toned(rowOf(pickColumns, pick))]);
  return [...lines, [], [toned(titleRowOf(pickColumns), "dim")], ...picks];
}

function headLineOf(view: DemoView): Line {
  const end = view.seconds === 0 ? "" : ` of ${minutesOf(view.seconds)}`;
  return [
    toned(" Pointsman demo", "strong"),
    toned(`   ${minutesOf(view.elapsedSeconds)}${end}   `),
    toned(view.url, "strong"),
    toned("   Ctrl-C ends it", "dim"),
  ];
}

function loadLinesOf(view: DemoView): readonly Line[] {
  const { total, recent, decisionTimes } = view;
  return [
    [
      toned(" load    ", "dim"),
      toned(`${view.requestsPerSecond.toFixed(1)} requests/s   `),
      toned(`${countOf(total.requests, "request")}   `),
      toned(countOf(total.errors, "error"), total.errors === 0 ? "good" : "bad"),
      toned(`   ${view.requestsUnderWay} in flight`),
    ],
    [
      toned(" TTFT    ", "dim"),
      toned(`p50 ${durationOf(recent.ttft?.p50Ms)}   p95 ${durationOf(recent.ttft?.p95Ms)}   `),
      toned(`prefix hits ${percentOf(recent.hitRatio)} of prompt tokens`),
    ],
    [
      toned(" picker  ", "dim"),
      toned(`${countOf(decisionTimes.decisions, "decision")}   `),
      toned(`${durationOf(decisionTimes.meanMs)} each`),
    ],
  ];
}

function engineColumnsFor(terminalColumns: number): readonly Column<EngineRow>[] {
  const columnsOf = (width: number): Column<EngineRow>[] => [
    { title: "engine", width: 9, isLeft: true, cell: ({ name }) => name },
    { title: "queue", width: 5, cell: ({ waitingRequests }) => String(waitingRequests) },
    { title: "running", width: 7, cell: ({ runningRequests }) => String(runningRequests) },
    {
      title: "KV cache",
      width: width + 6,
      isLeft: true,
      cell: ({ kvUsedRatio }) =>
        `${barOf(kvUsedRatio, width)} ${percentOf(kvUsedRatio).padStart(5)}`,
    },
    { title: "hits", width: 5, cell: ({ hitRatio }) => percentOf(hitRatio) },
    {
      title: "traffic",
      width: width + 6,
      isLeft: true,
      cell: ({ trafficShare }) =>
        `${barOf(trafficShare, width)} ${percentOf(trafficShare).padStart(5)}`,
    },
    { title: "TTFT", width: 6, cell: ({ ttft }) => durationOf(ttft?.p50Ms) },
    { title: "p95", width: 6, cell: ({ ttft }) => durationOf(ttft?.p95Ms) },
    ...(terminalColumns < wideColumns
      ? []
      : [{ title: "requests", width: 8, cell: ({ requests }: EngineRow) => String(requests) }]),
  ];
  const roomForBars = terminalColumns - titleRowOf(columnsOf(0)).length;
  const width = Math.max(barWidth.min, Math.min(barWidth.max, Math.floor(roomForBars / 2)));
  return columnsOf(width);
}

function pickColumnsFor(engines: DemoView["engines"]): readonly Column<Pick>[] {
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
