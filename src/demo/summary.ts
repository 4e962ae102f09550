import { comparisonRowsOf, ratiosOf, timesOf } from "./comparison.ts";
import type { IngressKind } from "./ingress.ts";
import { type PolicyName, policyNames, policyTitles } from "./policies.ts";
import { type Column, rowOf, titleRowOf } from "./table.ts";
import { lateTtftMs, type PeriodTally } from "./tally.ts";
import { countOf, durationOf, minutesOf, percentOf } from "./text.ts";
import { type DemoView, lateWarningOf } from "./view.ts";

const plainColumns: readonly Column<DemoView>[] = [
  { title: "time", width: 5, isLeft: true, cell: (view) => minutesOf(view.elapsedSeconds) },
  ...policyNames.flatMap((policy): readonly Column<DemoView>[] => [
    {
      title: `${policyTitles[policy]} p50`,
      width: 15,
      cell: ({ pools }) => durationOf(pools[policy].recent.ttft?.p50Ms),
    },
    { title: "p95", width: 6, cell: ({ pools }) => durationOf(pools[policy].recent.ttft?.p95Ms) },
  ]),
  { title: "ratio p50", width: 9, cell: ({ pools }) => timesOf(ratiosOf(recentOf(pools)).p50) },
  { title: "p95", width: 6, cell: ({ pools }) => timesOf(ratiosOf(recentOf(pools)).p95) },
];

function recentOf({ roundRobin, pointsman }: DemoView["pools"]) {
  return { roundRobin: roundRobin.recent, pointsman: pointsman.recent };
}

/** Titles over the lines of `plainLineOf`. */
export const plainTitles = titleRowOf(plainColumns).trimStart();

/** The view in one line, for output that is no terminal. */
export function plainLineOf(view: DemoView): string {
  return rowOf(plainColumns, view).trimStart();
}

const ingressNames: Readonly<Record<IngressKind, string>> = {
  envoy: "Envoy",
  http: "the HTTP gateway",
};

/** A part of a run with an engine that broke. */
export interface RunPart {
  readonly title: string;
  readonly pools: Readonly<Record<PolicyName, PeriodTally>>;
}

/** The engine that broke, and the parts of the run before, while and after it was broken. */
export interface Breaking {
  readonly engine: string;
  readonly what: string;
  readonly parts: readonly RunPart[];
}

/** Incidents of the load at a pool. */
interface PoolEnd {
  readonly results: ReadonlyMap<string, number>;
  readonly requestsUnfinished: number;
  readonly requestsHeldBack: number;
}

export interface DemoEnd {
  readonly ingress: IngressKind;
  readonly view: DemoView;
  readonly pools: Readonly<Record<PolicyName, PoolEnd>>;
  readonly breaking: Breaking | undefined;
}

/** Results of the whole run. */
export function summaryLinesOf(end: DemoEnd): readonly string[] {
  const { pools, elapsedSeconds, decisionTimes, requestsSent, lateMs } = end.view;
  const total = { roundRobin: pools.roundRobin.total, pointsman: pools.pointsman.total };
  const engines = pools.pointsman.engines.length;
  const late = lateWarningOf(lateMs);
  return [
    `Pointsman demo: ${elapsedSeconds.toFixed(0)} s through ${ingressNames[end.ingress]}`,
    `${countOf(requestsSent, "chat")}, each to two pools of ${countOf(engines, "engine")}`,
    "",
    ...comparisonRowsOf(total),
    "",
    ...ratioLinesOf(ratiosOf(total)),
    ` ${countOf(decisionTimes.decisions, "decision")} of Pointsman took ${durationOf(decisionTimes.meanMs)} each`,
    ...policyNames.flatMap((policy) => incidentsOf(policyTitles[policy], end.pools[policy])),
    ...(late === undefined ? [] : [` ${late}`]),
    ...(end.breaking === undefined ? [] : ["", ...breakingLinesOf(end.breaking)]),
  ];
}

function ratioLinesOf({ p50, p95 }: ReturnType<typeof ratiosOf>): readonly string[] {
  if (p50 === undefined || p95 === undefined) return [];
  return [` round robin takes ${timesOf(p50)} as long to the first token, ${timesOf(p95)} at p95`];
}

function incidentsOf(title: string, end: PoolEnd): readonly string[] {
  const bad = [...end.results].filter(([result]) => result !== "200");
  const texts = [
    ...bad.map(([result, count]) => `${result}: ${count}`),
    ...(end.requestsUnfinished > 0 ? [`no answer by the end: ${end.requestsUnfinished}`] : []),
    ...(end.requestsHeldBack > 0 ? [`not sent, too many in flight: ${end.requestsHeldBack}`] : []),
  ];
  return texts.length === 0 ? [] : [` ${title}: ${texts.join(", ")}`];
}

interface PartRow {
  readonly title: string;
  readonly tallied: PeriodTally | undefined;
}

function breakingLinesOf({ engine, what, parts }: Breaking): readonly string[] {
  const cell = (textOf: (tallied: PeriodTally) => string) => (row: PartRow) =>
    row.tallied === undefined ? "" : textOf(row.tallied);
  const columns: readonly Column<PartRow>[] = [
    { title: "sent", width: 14, isLeft: true, cell: ({ title }) => title },
    { title: "TTFT p50", width: 8, cell: cell(({ ttft }) => durationOf(ttft?.p50Ms)) },
    { title: "p95", width: 6, cell: cell(({ ttft }) => durationOf(ttft?.p95Ms)) },
    {
      title: `over ${durationOf(lateTtftMs)}`,
      width: 10,
      cell: cell(({ lateShare }) => percentOf(lateShare)),
    },
    {
      title: `by ${engine}`,
      width: 12,
      cell: cell(({ engineShare }) => percentOf(engineShare)),
    },
    { title: "errors", width: 6, cell: cell(({ errors }) => String(errors)) },
  ];
  const rows = parts.flatMap(({ title, pools }): readonly PartRow[] => [
    { title, tallied: undefined },
    ...policyNames.map((policy) => ({
      title: `  ${policyTitles[policy]}`,
      tallied: pools[policy],
    })),
  ]);
  return [
    ` ${engine} ${what}, in both pools:`,
    "",
    titleRowOf(columns),
    ...rows.map((row) => rowOf(columns, row)),
  ];
}
