import type { Outcome } from "./client.ts";
import type { FaultResult } from "./run.ts";

/** The results of one fault under one set of flags. */
export interface Row extends FaultResult {
  readonly mode: string;
}

const knownOutcomes: readonly Outcome[] = ["ok", "error event", "cut", "false end"];

/** The table in Markdown, one row for each fault and mode. */
export function tableOf(rows: readonly Row[]): string {
  const titles = [
    ...["fault", "mode", "good", "other answers", "ended by an error event", "cut"],
    ...[
      "ended as if complete",
      "retries",
      "hedges",
      "p50 / p99 ms",
      "failed after it",
      "well again",
    ],
  ];
  return [titles, titles.map(() => "---"), ...rows.map(cellsOf)]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function cellsOf(row: Row): readonly string[] {
  const { counts, okMs, recoveredS } = row;
  const count = (outcome: Outcome) => String(counts[outcome] ?? 0);
  const others = Object.entries(counts)
    .filter(([outcome]) => !knownOutcomes.some((known) => known === outcome))
    .map(([outcome, each]) => `${outcome} x ${each}`);
  return [
    row.fault,
    row.mode,
    count("ok"),
    others.length === 0 ? "-" : others.join(", "),
    ...[count("error event"), count("cut"), count("false end")],
    ...[String(row.retries), String(row.hedges)],
    `${msOf(okMs, 0.5)} / ${msOf(okMs, 0.99)}`,
    String(row.failedAfter),
    recoveredS === undefined ? "never" : `${recoveredS.toFixed(1)} s`,
  ];
}

/** A quantile of sorted times; "-" if there are none. */
function msOf(sorted: readonly number[], share: number): string {
  const ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return ms === undefined ? "-" : ms.toFixed(0);
}
