import type { EjectionEvidence } from "../../core/health-settings.ts";
import {
  excessOf,
  groupsAreLate,
  isLate,
  isLateWithoutBusiest,
  type Judging,
  lateEvidenceOf,
  logUsualOf,
  peersOf,
  type TimedAnswer,
  type TimedRow,
} from "./late-answers.ts";

/** Share of an engine's first tokens that are late if it is slow, at least. */
const lateRatioIfSlow = 0.5;
/** The same of first tokens of which only the most work is known. */
const boundedRatioIfSlow = 0.25;
/** Share of a healthy engine's first tokens that are late, at most. */
const lateRatioIfWell = 0.02;
/** An answer speaks for the endpoint up to this share of the limit, as a logarithm: up to 2 of 3. */
const wellShare = 0.63;
/** Late answers of all clients but the busiest. */
const leftMin = 2;
/** The answers of a run weigh so many times more for slow than for well. */
const oddsMin = 100_000;
/** Late answers that are needed at least: the power of 0.5 / 0.02 that exceeds those odds. */
const lateMin = 4;
/** Times that the engine must have been late one after the other: a pause delays many requests once. */
const timesMin = 3;

/** A first token, or a wait for one up to now. */
interface Judged extends TimedAnswer {
  readonly logOthers: number;
  readonly excess: number;
}

/**
 * The numbers that show that an endpoint has just become slow; undefined if they do not.
 *
 * A run is of late answers without one in time between them. Requests that still wait count as soon as they are late. The
 * others must have been in time meanwhile: the more of them were, the fewer late answers are needed.
 */
export function latenessOfRun(
  row: TimedRow,
  others: readonly TimedRow[],
  judging: Judging,
): EjectionEvidence | undefined {
  const { factorMax, nowMs } = judging;
  const limit = Math.log(factorMax);
  const answers = [...row.late.recentOfAll(nowMs), ...row.waitingSoFar(nowMs)];
  // Most looks end here, without one at the others.
  const ownLate = answers.filter((answer) => excessOf(answer, answer.logUsual) > limit);
  if (ownLate.length < lateMin) return undefined;
  const judged = answers.flatMap((answer) => {
    const logOthers = logUsualOf(others, answer.work);
    if (logOthers === undefined) return [];
    const excess = excessOf(answer, logOthers);
    return answer.isWaiting && excess <= limit ? [] : [{ ...answer, logOthers, excess }];
  });
  const run = runOf(judged, limit);
  if (run.length === 0) return undefined;
  const peers = peersOf(others, { fromMs: overdueMsOf(run, limit), limit, nowMs });
  const ratioIfWell = ratioIfWellOf(peers);
  const late = run.flatMap((one) => [{ ...one, excess: one.excess - peers.shift }]);
  if (logOddsOf(late, limit, ratioIfWell) < Math.log(oddsMin)) return undefined;
  const times = timesOf(late, limit);
  if (times < timesMin) return undefined;
  const known = late.filter(({ isKnown, excess }) => isKnown || excess > limit);
  if (!isLate(known, limit)) return undefined;
  if (!groupsAreLate(known, limit)) return undefined;
  if (!isLateWithoutBusiest(late, { others, limit, nowMs, leftMin })) return undefined;
  return {
    ...lateEvidenceOf(late, { factorMax, shift: peers.shift }),
    waiting: late.filter(({ isWaiting }) => isWaiting === true).length,
    times,
    othersAnswers: peers.answers,
    othersLate: peers.late,
  };
}

/** Share of late answers that is no engine's own fault. By Laplace: of few answers of the others, none late says little. */
function ratioIfWellOf({ answers, late }: { readonly answers: number; readonly late: number }) {
  return Math.min(lateRatioIfSlow, Math.max(lateRatioIfWell, (late + 1) / (answers + 2)));
}

/** The last answers, since one that spoke for the endpoint. */
function runOf(judged: readonly Judged[], limit: number): readonly Judged[] {
  const last = judged.findLastIndex(
    ({ isKnown, excess }) => isKnown && excess <= limit * wellShare,
  );
  return judged.slice(last + 1);
}

/** Logarithm of the odds for slow against well. */
function logOddsOf(judged: readonly Judged[], limit: number, ratioIfWell: number): number {
  let sum = 0;
  for (const { excess, isKnown } of judged) {
    if (excess > limit) sum += Math.log(lateRatioIfSlow / ratioIfWell);
    else if (!isKnown) sum += Math.log((1 - boundedRatioIfSlow) / (1 - ratioIfWell));
  }
  return sum;
}

/** Moment at which the first of a run became late. */
function overdueMsOf(run: readonly Judged[], limit: number): number {
  return Math.min(...run.map((one) => one.atMs - one.ttftMs + limitMsOf(one, limit)));
}

/** Milliseconds after which an answer is late. */
function limitMsOf({ ttftMs, excess }: Judged, limit: number): number {
  return Math.exp(Math.log(Math.max(1, ttftMs)) - excess + limit);
}

/** Times that an endpoint was late one after the other. */
function timesOf(judged: readonly Judged[], limit: number): number {
  let times = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const one of judged) {
    if (one.excess <= limit) continue;
    const overMs = one.atMs - Math.max(one.atMs - one.ttftMs, lastMs) - limitMsOf(one, limit);
    if (overMs <= 0) continue;
    times += 1;
    lastMs = one.atMs;
  }
  return times;
}
