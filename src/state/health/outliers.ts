import type { EjectionEvidence, HealthPhase, HealthSettings } from "../../core/health-settings.ts";
import type { OutcomeWindow } from "./outcome-window.ts";

/** Minimum number of failures to judge a ratio by: fewer may be chance. */
const ratioFailuresMin = 3;
/** Minimum number of answers to judge a ratio by. */
const ratioAnswersMin = 10;
/**
 * The ratio of the last few answers must be at least this many times the limit, since it is more
 * subject to chance.
 */
const recentFactor = 2;
/** An outlier's ratio must be at least this many times that of the others. */
const ratioFactor = 3;
/** From this failure ratio of the others on, failures in a row are not the endpoint's own. */
const othersFailingRatio = 0.3;
/**
 * This many times the allowed failures in a row are the endpoint's own as long as any other answers
 * well.
 */
const hopelessFactor = 3;

export interface FailingRow {
  readonly phase: HealthPhase;
  readonly failuresInRow: number;
  readonly window: OutcomeWindow;
}

export interface FailureOutlier {
  readonly reason: "failures" | "failure-ratio";
  /** True if there were so many failures in a row that nothing speaks for the endpoint. */
  readonly isHopeless: boolean;
  readonly evidence: EjectionEvidence;
}

/** The reason why an endpoint that has just failed is an outlier; undefined if it is not one. */
export function failureOutlierOf(
  row: FailingRow,
  others: readonly FailingRow[],
  { settings, nowMs }: { readonly settings: HealthSettings; readonly nowMs: number },
): FailureOutlier | undefined {
  const { failuresInRowMax, failureRatioMax } = settings;
  const { failuresInRow } = row;
  const othersFailureRatio = failureRatioOf(others, nowMs);
  const isHopeless =
    failuresInRowMax > 0 &&
    failuresInRow >= hopelessFactor * failuresInRowMax &&
    others.some((other) => answersWell(other, nowMs));
  const isMany = failuresInRowMax > 0 && failuresInRow >= failuresInRowMax;
  if (isHopeless || (isMany && othersFailureRatio < othersFailingRatio)) {
    const evidence = { failuresInRow, failuresInRowMax, othersFailureRatio };
    return { reason: "failures", isHopeless, evidence };
  }
  if (failureRatioMax === 0) return undefined;
  const limit = Math.max(failureRatioMax, ratioFactor * othersFailureRatio);
  const far =
    aboveOf(row.window.counts(nowMs), limit) ?? aboveOf(row.window.recent, recentFactor * limit);
  if (far === undefined) return undefined;
  const evidence = { ...far, othersFailureRatio };
  return { reason: "failure-ratio", isHopeless: false, evidence };
}

/**
 * Failed share of the answers, without endpoints that are ejected or on trial: those are known to
 * fail.
 */
export function failureRatioOf(rows: readonly FailingRow[], nowMs: number): number {
  let answers = 0;
  let failures = 0;
  for (const { phase, window } of rows) {
    if (phase === "ejected" || phase === "trial") continue;
    const counts = window.counts(nowMs);
    answers += counts.answers;
    failures += counts.failures;
  }
  return answers === 0 ? 0 : failures / answers;
}

/** True if the others fail so much that a failure proves nothing about an endpoint. */
export function areFailing(others: readonly FailingRow[], nowMs: number): boolean {
  return failureRatioOf(others, nowMs) >= othersFailingRatio;
}

function answersWell({ window }: FailingRow, nowMs: number): boolean {
  const { answers, failures } = window.counts(nowMs);
  return answers >= ratioAnswersMin && failures / answers < othersFailingRatio;
}

function aboveOf(
  { answers, failures }: { readonly answers: number; readonly failures: number },
  failureRatioLimit: number,
): EjectionEvidence | undefined {
  const failureRatio = failures / answers;
  const isAbove =
    answers >= ratioAnswersMin && failures >= ratioFailuresMin && failureRatio >= failureRatioLimit;
  return isAbove ? { failures, answers, failureRatio, failureRatioLimit } : undefined;
}
