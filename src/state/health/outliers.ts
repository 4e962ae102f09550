import type { HealthSettings } from "../../core/health-settings.ts";
import type { HealthRow } from "./health-row.ts";

/** Failures that a ratio is judged by at least: fewer may be chance. */
const ratioFailuresMin = 3;
/** Answers that a ratio is judged by at least. */
const ratioAnswersMin = 10;
/** How many times the limit the ratio of the last few answers is at least: they are more subject to chance. */
const recentFactor = 2;
/** How many times the others' ratio an outlier's is at least. */
const ratioFactor = 3;
/** From this failure ratio of the others on, nobody's failures in a row are its own fault. */
const othersFailingRatio = 0.3;

type Rows = ReadonlyMap<number, HealthRow>;

/** Why an endpoint that has just failed is an outlier; undefined where it is none. */
export function isFailureOutlier(
  row: HealthRow,
  rows: Rows,
  { settings, nowMs }: { readonly settings: HealthSettings; readonly nowMs: number },
): "failures" | "failure-ratio" | undefined {
  const { failuresInRowMax, failureRatioMax } = settings;
  const others = ratioOfOthers(row, rows, nowMs);
  if (
    failuresInRowMax > 0 &&
    row.failuresInRow >= failuresInRowMax &&
    others < othersFailingRatio
  ) {
    return "failures";
  }
  if (failureRatioMax === 0) return undefined;
  const limit = Math.max(failureRatioMax, ratioFactor * others);
  const isFar =
    isAbove(row.window.counts(nowMs), limit) || isAbove(row.window.recent, recentFactor * limit);
  return isFar ? "failure-ratio" : undefined;
}

function isAbove(
  { answers, failures }: { readonly answers: number; readonly failures: number },
  limit: number,
): boolean {
  return answers >= ratioAnswersMin && failures >= ratioFailuresMin && failures / answers >= limit;
}

/** Whether an endpoint's answers begin much later than they use to, while those of the others do not. */
export function isTtftOutlier(
  row: HealthRow,
  rows: Rows,
  { ttftFactorMax }: HealthSettings,
): boolean {
  const { shift } = row.ttft;
  if (ttftFactorMax === 0 || shift === undefined) return false;
  const limit = Math.log(ttftFactorMax);
  // Most answers end here, without a look at the others.
  if (shift <= limit) return false;
  const others: number[] = [];
  for (const other of rows.values()) {
    if (other !== row && other.ttft.shift !== undefined) others.push(other.ttft.shift);
  }
  if (others.length === 0) return false;
  const median = others.toSorted((a, b) => a - b)[Math.floor(others.length / 2)] ?? 0;
  return shift - Math.max(0, median) > limit;
}

function ratioOfOthers(row: HealthRow, rows: Rows, nowMs: number): number {
  let answers = 0;
  let failures = 0;
  for (const other of rows.values()) {
    if (other === row) continue;
    const counts = other.window.counts(nowMs);
    answers += counts.answers;
    failures += counts.failures;
  }
  return answers === 0 ? 0 : failures / answers;
}
