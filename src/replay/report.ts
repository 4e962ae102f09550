import type { EngineOptions } from "../simulator/engine-options.ts";
import { listsBy } from "./lab/measures.ts";
import type { Outcome } from "./outcomes.ts";
import type { Recording } from "./recording.ts";
import type { Replayer } from "./replay.ts";
import { errorRatioOf, summaryOf, type Summary } from "./summary.ts";

/** Tenants of the table, those with the most requests. */
const tenantsMax = 10;

/** Outcomes under a document. */
export interface Rerun {
  /** The file of the document, or what stands for it. */
  readonly name: string;
  readonly outcomes: readonly Outcome[];
}

export interface Report {
  readonly file: string;
  readonly startedAt: string;
  readonly requests: number;
  readonly counted: number;
  readonly unreadable: number;
  readonly seconds: number;
  /** Requests that replays send after an earlier answer. */
  readonly waiting: number;
  readonly engines: readonly EngineOptions[];
  readonly overheadMs: number;
  /** Of the compared time, which is that to the first token, or of whole answers if none streams. */
  readonly compares: "ttft" | "e2e";
  /** Expected error of replays of this recording, as a share. */
  readonly errorRatio: number;
  readonly recorded: Summary;
  /** With each request where it was sent. */
  readonly placed: Summary;
  readonly runs: readonly RunReport[];
}

interface RunReport extends Summary {
  readonly document: string;
  /** Mean of the compared time against the first run, which is that of the recorded document. */
  readonly ratio: number;
  readonly tenants: readonly TenantReport[];
}

interface TenantReport {
  /** A keyed hash; "" for requests without a tenant. */
  readonly tenant: string;
  readonly requests: number;
  readonly meanS: number | undefined;
}

export interface ReportParts {
  readonly file: string;
  readonly recording: Recording;
  readonly replayer: Replayer;
  /** The first one is that of the recorded document. */
  readonly runs: readonly Rerun[];
}

export function reportOf({ file, recording, replayer, runs }: ReportParts): Report {
  const { recorded, placed, engines, calibrated } = replayer;
  const { requests } = recording;
  const count = engines.options.length;
  const hasStreams = recorded.some(({ ttftMs }) => ttftMs !== undefined);
  const [own] = runs;
  const ownMean = meanOf(summaryOf(own?.outcomes ?? [], count), hasStreams);
  return {
    file,
    startedAt: recording.startedAt,
    requests: requests.length,
    counted: recorded.length,
    unreadable: recording.unreadable,
    seconds: ((requests.at(-1)?.atMs ?? 0) - (requests[0]?.atMs ?? 0)) / 1_000,
    waiting: replayer.waiting,
    engines: engines.options,
    overheadMs: calibrated.overheadMs,
    compares: hasStreams ? "ttft" : "e2e",
    errorRatio: errorRatioOf(recorded, own?.outcomes ?? [], hasStreams),
    recorded: summaryOf(recorded, count),
    placed: summaryOf(placed, count),
    runs: runs.map(({ name, outcomes }) => {
      const summary = summaryOf(outcomes, count);
      const ratio = (meanOf(summary, hasStreams) ?? Number.NaN) / (ownMean ?? Number.NaN);
      return { document: name, ...summary, ratio, tenants: tenantsOf(outcomes, hasStreams) };
    }),
  };
}

function meanOf({ ttftS, e2eS }: Summary, hasStreams: boolean): number | undefined {
  return (hasStreams ? ttftS : e2eS)?.mean;
}

function tenantsOf(outcomes: readonly Outcome[], hasStreams: boolean): readonly TenantReport[] {
  const byTenant = listsBy(outcomes, ({ tenant = "" }) => tenant);
  if (byTenant.size < 2) return [];
  return [...byTenant]
    .map(([tenant, own]) => {
      return { tenant, requests: own.length, meanS: meanOf(summaryOf(own, 0), hasStreams) };
    })
    .toSorted((a, b) => b.requests - a.requests)
    .slice(0, tenantsMax);
}

/** The report for people. */
export function reportText(report: Report): string {
  const { recorded, placed, runs, compares, errorRatio } = report;
  const rows: (readonly [label: string, summary: Summary, change: string])[] = [
    ["recorded", recorded, ""],
    ["engines alone", placed, ""],
  ];
  for (const [index, run] of runs.entries()) {
    rows.push([run.document, run, index === 0 ? "" : changeText(run.ratio)]);
  }
  const name = compares === "ttft" ? "TTFT" : "answer";
  const table = tableOf([
    ["", `${name} mean`, "p50", "p90", "p99", "TPOT", "hits", "busiest", "unserved", "change"],
    ...rows.map(([label, summary, change]) => {
      return [label].concat(cellsOf(summary, compares), change);
    }),
  ]);
  return [
    ...headLines(report),
    table,
    "",
    `Replays of this recording are off by about ${percent(errorRatio)} in the mean ${name}: a smaller change may be none.`,
    ...tenantLines(report),
    "",
  ].join("\n");
}

function headLines(report: Report): readonly string[] {
  const { file, requests, counted, seconds, waiting, unreadable, engines, overheadMs } = report;
  const speeds = engines.map((each) => each.prefillTokensPerSecond);
  const [least, most] = [Math.min(...speeds), Math.max(...speeds)].map((speed) => {
    return Math.round(speed).toLocaleString("en");
  });
  const [first] = engines;
  const speed = least === most ? `${least}` : `${least} to ${most}`;
  return [
    `${file}: ${requests} requests in ${seconds.toFixed(0)} s, ${engines.length} endpoints; ${counted} requests count`,
    `engines: ${speed} prompt tokens/s, ${first?.stepBaseMs.toFixed(1)} ms a step and ${first?.decodeMsPerSequence.toFixed(2)} ms for each request in it, ${overheadMs.toFixed(0)} ms besides`,
    `${waiting} requests are sent after an earlier answer, the others at their recorded times`,
    ...(unreadable === 0 ? [] : [`${unreadable} lines could not be read`]),
    "",
  ];
}

function tenantLines({ runs, compares }: Report): readonly string[] {
  const [own, ...others] = runs;
  if (own === undefined || own.tenants.length === 0) return [];
  const name = compares === "ttft" ? "TTFT" : "answer";
  return [
    "",
    tableOf([
      [`mean ${name} by tenant`, "requests", own.document, ...others.map((run) => run.document)],
      ...own.tenants.map(({ tenant, requests }) => {
        const label = [tenant === "" ? "(none)" : tenant, String(requests)];
        return label.concat(runs.map((run) => meanText(run, tenant)));
      }),
    ]),
  ];
}

function meanText({ tenants }: RunReport, tenant: string): string {
  return secondsText(tenants.find((each) => each.tenant === tenant)?.meanS);
}

function cellsOf(summary: Summary, compares: Report["compares"]): readonly string[] {
  const { ttftS, e2eS, tpotMs, hitRatio, imbalance, unserved } = summary;
  const times = compares === "ttft" ? ttftS : e2eS;
  return [
    ...[times?.mean, times?.p50, times?.p90, times?.p99].map(secondsText),
    tpotMs === undefined ? "-" : `${tpotMs.mean.toFixed(1)} ms`,
    hitRatio === undefined ? "-" : percent(hitRatio),
    `${imbalance.toFixed(2)} x`,
    String(unserved),
  ];
}

function secondsText(seconds: number | undefined): string {
  return seconds === undefined ? "-" : `${seconds.toFixed(3)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function changeText(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change < 0 ? "" : "+"}${change.toFixed(0)} %`;
}

/** Columns of text: the first one to the left, the others to the right. */
function tableOf(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => {
          const width = widths[index] ?? 0;
          return index === 0 ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
