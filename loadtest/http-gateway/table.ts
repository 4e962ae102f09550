import { answerOf, connectionsOf, sizeOf } from "./cells.ts";
import type { Footprint, Summary } from "./measures.ts";

/** Share of a core from which the load may be what limits a contestant. */
const loadBusyMax = 0.9;

export interface Report {
  readonly summaries: readonly Summary[];
  readonly footprints: readonly Footprint[];
}

const none = "-";

/** Both tables in Markdown, and a line for each thing to know about them. */
export function markdownOf(report: Report): string {
  const notes = notesOf(report);
  return [
    ...tablesOf(report).map((rows) => markdownTableOf(rows)),
    ...(notes.length === 0 ? [] : [notes.join("\n")]),
  ].join("\n\n");
}

/** Both tables for a terminal. */
export function textOf(report: Report): string {
  return [...tablesOf(report).map(textTableOf), notesOf(report).join("\n")].join("\n\n").trimEnd();
}

type Rows = readonly (readonly string[])[];

function tablesOf({ summaries, footprints }: Report): readonly Rows[] {
  const loads = summaries.map((summary) => [
    answerOf(summary.cell),
    sizeOf(summary.cell),
    connectionsOf(summary.cell),
    summary.name,
    grouped(summary.requestsPerSecond),
    fixed(summary.p50Ms),
    fixed(summary.p99Ms),
    summary.name === "straight" ? none : fixed(summary.addedP50Ms),
    summary.name === "straight" ? none : fixed(summary.addedP99Ms),
    summary.cell.isStream ? fixed(summary.firstByteP50Ms) : none,
    summary.name === "straight" ? none : grouped(summary.cpuUsPerRequest),
    String(summary.failed),
  ]);
  const places = footprints
    .filter(({ name }) => name !== "straight")
    .map(({ name, startMs, rssStartBytes, rssEndBytes, installedBytes }) => [
      name,
      (startMs / 1_000).toFixed(2),
      megabytes(rssStartBytes),
      megabytes(rssEndBytes),
      installedBytes === undefined ? none : megabytes(installedBytes),
    ]);
  return [
    [
      [
        ...["answer", "body", "connections", "contestant", "requests/s", "p50, ms", "p99, ms"],
        ...["added p50", "added p99", "first byte p50", "CPU, us/request", "failed"],
      ],
      ...loads,
    ],
    [["contestant", "start, s", "RSS at start, MB", "RSS after, MB", "installed, MB"], ...places],
  ];
}

function notesOf({ summaries }: Report): readonly string[] {
  return summaries.flatMap(({ name, cell, loadBusy }) =>
    name !== "straight" && loadBusy > loadBusyMax
      ? [
          `The load took ${Math.round(loadBusy * 100)} % of a core against ${name} at ` +
            `${answerOf(cell)}, ${sizeOf(cell)}, ${connectionsOf(cell)}: it may be the limit.`,
        ]
      : [],
  );
}

function markdownTableOf([head = [], ...rows]: Rows): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function textTableOf(rows: Rows): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function fixed(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? none : value.toFixed(2);
}

function grouped(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : none;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(0);
}
