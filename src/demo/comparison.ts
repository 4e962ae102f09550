import { type Column, rowOf, titleRowOf } from "./table.ts";
import { policyTitles } from "./policies.ts";
import type { Tallied } from "./tally.ts";
import { durationOf, percentOf } from "./text.ts";

/** Results of both pools. */
export interface Compared {
  readonly roundRobin: Tallied;
  readonly pointsman: Tallied;
}

interface Row {
  readonly title: string;
  readonly tallied: Tallied;
}

const columns: readonly Column<Row>[] = [
  { title: "", width: 11, isLeft: true, cell: ({ title }) => title },
  { title: "TTFT p50", width: 8, cell: ({ tallied }) => durationOf(tallied.ttft?.p50Ms) },
  { title: "p95", width: 6, cell: ({ tallied }) => durationOf(tallied.ttft?.p95Ms) },
  { title: "hits", width: 5, cell: ({ tallied }) => percentOf(tallied.hitRatio) },
  { title: "requests", width: 8, cell: ({ tallied }) => String(tallied.requests) },
  { title: "errors", width: 6, cell: ({ tallied }) => String(tallied.errors) },
];

/** A table of both pools: its titles and two rows. */
export function comparisonRowsOf({ roundRobin, pointsman }: Compared): readonly string[] {
  return [
    titleRowOf(columns),
    rowOf(columns, { title: policyTitles.roundRobin, tallied: roundRobin }),
    rowOf(columns, { title: policyTitles.pointsman, tallied: pointsman }),
  ];
}

/** TTFT with round robin as a multiple of Pointsman's; undefined without answers of both. */
export interface Ratios {
  readonly p50: number | undefined;
  readonly p95: number | undefined;
}

export function ratiosOf({ roundRobin, pointsman }: Compared): Ratios {
  const [slow, fast] = [roundRobin.ttft, pointsman.ttft];
  if (slow === undefined || fast === undefined) return { p50: undefined, p95: undefined };
  return { p50: slow.p50Ms / fast.p50Ms, p95: slow.p95Ms / fast.p95Ms };
}

/** `3.4 x`, `12 x`. */
export function timesOf(ratio: number | undefined): string {
  if (ratio === undefined || !Number.isFinite(ratio)) return "-";
  return `${ratio.toFixed(ratio < 9.95 ? 1 : 0)} x`;
}
