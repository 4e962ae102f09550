import type { Cell } from "./cells.ts";
import { medianIn, type Quantity, ratioOf, type Row, spreadOf } from "./measures.ts";

/** Share of a core from which the load may be what limits a contestant. */
const loadBusyMax = 0.9;

/** One cell with all contestants, the reference first. */
export interface CellRows {
  readonly cell: Cell;
  readonly rows: readonly Row[];
}

const none = "-";
const mb = 1_000_000;

const head = [
  ...["cell", "contestant", "requests/s", "ratio", "p50, ms", "ratio", "p99, ms", "ratio"],
  ...["p99.9, ms", "CPU, us/request", "ratio", "RSS, MB", "loop p99, ms", "failed"],
];

export function markdownOf(cells: readonly CellRows[]): string {
  const rows = [head, head.map(() => "---"), ...rowsOf(cells)];
  const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
  return [table, ...notesOf(cells)].join("\n\n");
}

export function textOf(cells: readonly CellRows[]): string {
  const rows = [head, ...rowsOf(cells)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...notesOf(cells)].join("\n");
}

function rowsOf(cells: readonly CellRows[]): readonly (readonly string[])[] {
  return cells.flatMap(({ cell, rows: [reference, ...others] }) => {
    if (reference === undefined) return [];
    return [reference, ...others].map((row) => rowOf(cell, row, reference));
  });
}

function rowOf(cell: Cell, row: Row, reference: Row): readonly string[] {
  const spread = (quantity: Quantity) => {
    const { median, spread: share } = spreadOf(row.rounds.map((round) => round[quantity]));
    return `${grouped(median)} ±${Math.round(share * 100)} %`;
  };
  const ratio = (quantity: Quantity) =>
    row === reference ? none : fixed(ratioOf(row, reference, quantity));
  return [
    cell.name,
    row.name,
    spread("requestsPerSecond"),
    ratio("requestsPerSecond"),
    fixed(medianIn(row, "p50Ms")),
    ratio("p50Ms"),
    fixed(medianIn(row, "p99Ms")),
    ratio("p99Ms"),
    fixed(medianIn(row, "p999Ms")),
    spread("cpuUsPerRequest"),
    ratio("cpuUsPerRequest"),
    grouped(medianIn(row, "rssBytes") / mb),
    fixed(medianIn(row, "loopDelayP99Ms")),
    grouped(row.rounds.reduce((sum, { failed }) => sum + failed, 0)),
  ];
}

function notesOf(cells: readonly CellRows[]): readonly string[] {
  return cells.flatMap(({ cell, rows }) => rows.flatMap((row) => rowNotesOf(cell, row)));
}

function rowNotesOf(cell: Cell, row: Row): readonly string[] {
  const of = (quantity: Quantity) => medianIn(row, quantity);
  const who = `${row.name} at ${cell.name}`;
  const busy = of("loadBusy");
  return [
    ...(of("pieceP50Ms") > 0
      ? [
          `${who}: an event there and back p50 ${fixed(of("pieceP50Ms"))} ms, p99 ${fixed(of("pieceP99Ms"))} ms.`,
        ]
      : []),
    ...(of("refusedPerSecond") > 0
      ? [
          `${who}: ${grouped(of("refusedPerSecond"))} requests/s refused, p99 ${fixed(of("refusalP99Ms"))} ms.`,
        ]
      : []),
    ...(cell.besideBytes > 0 ? [`${who}: the slowest pick took ${fixed(of("maxMs"))} ms.`] : []),
    ...(cell.scrapeMs > 0
      ? [`${who}: a read of /metrics took ${fixed(of("scrapeP99Ms"))} ms (p99).`]
      : []),
    ...(busy > loadBusyMax
      ? [`The load took ${Math.round(busy * 100)} % of a core against ${who}: it may be the limit.`]
      : []),
  ];
}

function fixed(value: number): string {
  return Number.isNaN(value) ? none : value.toFixed(2);
}

function grouped(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : none;
}
