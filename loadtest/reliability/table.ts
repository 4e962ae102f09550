import type { ReliabilityCase } from "./cases.ts";
import { type Measures, medianOf, type Quantiles } from "./measures.ts";

/** The two runs of one round, which send the same requests. */
export interface Round {
  readonly withFault: Measures;
  readonly withoutFault: Measures;
}

export interface CaseResult {
  readonly reliabilityCase: ReliabilityCase;
  readonly rounds: readonly Round[];
}

interface Column {
  readonly title: string;
  readonly cell: (result: CaseResult) => string;
}

/** What stands in a cell that has no meaning for its case. */
const nothing = "-";

const columns: readonly Column[] = [
  { title: "case", cell: ({ reliabilityCase }) => reliabilityCase.name },
  {
    title: "failed, with / without",
    cell: ({ rounds }) =>
      [
        percentOf(medianOf(rounds.map(({ withFault }) => withFault.failedRatio))),
        percentOf(medianOf(rounds.map(({ withoutFault }) => withoutFault.failedRatio))),
      ].join(" / "),
  },
  { title: "failures by status", cell: ({ rounds }) => failuresTextOf(rounds) },
  { title: "TTFT with, p50 / p90 / p99 ms", cell: ({ rounds }) => ttftTextOf(rounds, "withFault") },
  { title: "TTFT without", cell: ({ rounds }) => ttftTextOf(rounds, "withoutFault") },
  {
    title: "longest queue, faulty or worst / others",
    cell: ({ rounds }) =>
      [
        wholeOf(medianWith(rounds, ({ queue }) => queue.worst)),
        wholeOf(medianWith(rounds, ({ queue }) => queue.others)),
      ].join(" / "),
  },
  {
    title: "share of fair, with / without",
    cell: ({ rounds }) => {
      const without = rounds.flatMap(({ withoutFault }) => withoutFault.shareOfFair ?? []);
      const withIt = medianWith(rounds, ({ shareOfFair }) => shareOfFair);
      return withIt === undefined ? nothing : `${fixedOf(withIt)} / ${fixedOf(medianOf(without))}`;
    },
  },
  {
    title: "noticed",
    cell: ({ rounds }) => secondsOf(medianWith(rounds, ({ noticedMs }) => noticedMs)),
  },
  {
    title: "returned",
    cell: ({ rounds }) => secondsOf(medianWith(rounds, ({ returnedMs }) => returnedMs)),
  },
  {
    title: "burst, max / mean",
    cell: ({ rounds }) => fixedOf(medianWith(rounds, ({ burstMaxOverMean }) => burstMaxOverMean)),
  },
  {
    title: "ejections, with / without",
    cell: ({ rounds }) =>
      [
        wholeOf(medianWith(rounds, ({ ejections }) => ejections)),
        wholeOf(medianOf(rounds.flatMap(({ withoutFault }) => withoutFault.ejections ?? []))),
      ].join(" / "),
  },
];

/** The results for a terminal: columns as wide as they need. */
export function textTableOf(results: readonly CaseResult[]): string {
  const rows = [columns.map(({ title }) => title), ...results.map(cellsOf)];
  const widths = columns.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The results as a Markdown table. */
export function markdownTableOf(results: readonly CaseResult[]): string {
  const rows = [
    columns.map(({ title }) => title),
    columns.map(() => "---"),
    ...results.map(cellsOf),
  ];
  return rows.map(markdownLineOf).join("\n");
}

function markdownLineOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function cellsOf(result: CaseResult): readonly string[] {
  return columns.map(({ cell }) => cell(result));
}

/** The median over the rounds that have a value; undefined where none has. */
function medianWith(
  rounds: readonly Round[],
  valueOf: (measures: Measures) => number | undefined,
): number | undefined {
  const values = rounds.flatMap(({ withFault }) => valueOf(withFault) ?? []);
  return values.length === 0 ? undefined : medianOf(values);
}

function ttftTextOf(rounds: readonly Round[], which: keyof Round): string {
  const middle = (quantile: keyof Quantiles) =>
    wholeOf(medianOf(rounds.map((round) => round[which].ttft[quantile])));
  return `${middle("p50Ms")} / ${middle("p90Ms")} / ${middle("p99Ms")}`;
}

/** All rounds together: `500 x 12, timeout x 3`. */
function failuresTextOf(rounds: readonly Round[]): string {
  const counts = new Map<string, number>();
  for (const { withFault } of rounds) {
    for (const [result, count] of Object.entries(withFault.failedByResult)) {
      counts.set(result, (counts.get(result) ?? 0) + count);
    }
  }
  const parts = [...counts].toSorted(([, a], [, b]) => b - a);
  return parts.map(([result, count]) => `${result} x ${count}`).join(", ") || nothing;
}

function percentOf(ratio: number): string {
  return `${(ratio * 100).toFixed(2)} %`;
}

function wholeOf(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? nothing : String(Math.round(value));
}

function fixedOf(value: number | undefined): string {
  return value === undefined ? nothing : value.toFixed(2);
}

function secondsOf(valueMs: number | undefined): string {
  if (valueMs === undefined) return nothing;
  return Number.isFinite(valueMs) ? `${(valueMs / 1_000).toFixed(1)} s` : "never";
}
