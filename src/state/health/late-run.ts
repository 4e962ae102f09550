import type { EjectionEvidence } from "../../core/health-settings.ts";
import {
  excessOf,
  groupsAreLate,
  isLate,
  isLateWithoutBusiest,
  type Judging,
  lateEvidenceOf,
  logUsualOf,
  type OthersNow,
  peersOf,
  type TimedAnswer,
  type TimedRow,
} from "./late-answers.ts";

/** At a slow engine, at least this share of first tokens is late. */
const lateRatioIfSlow = 0.5;
/** The same share of first tokens with only an upper bound of their work. */
const boundedRatioIfSlow = 0.25;
/** At a healthy engine, at most this share of first tokens is late. */
const lateRatioIfWell = 0.02;
/**
 * An answer speaks for the endpoint up to this share of the limit, as a logarithm: up to a factor
 * of 2 for a limit of 3.
 */
const wellShare = 0.63;
/** Minimum late answers of all clients but the busiest. */
const leftMin = 2;
/** Minimum odds of slow against healthy that the answers of a run must give. */
const oddsMin = 100_000;
/** At least this many answers must be late: the power of 0.5 / 0.02 that exceeds those odds. */
const lateMin = 4;
/**
 * Times that the engine must have been late in succession: a pause delays many requests only once.
 */
const timesMin = 3;

/** A first token, or a pending one with its wait up to now. */
interface Judged extends TimedAnswer {
  readonly logOthers: number;
  readonly excess: number;
}

/**
 * Evidence that an endpoint has just become slow; undefined if there is none.
 *
 * In a run, answers are late without one in time between them. Requests that still wait
 * count as soon as they are late. The others must have been in time during the run: the more
 * answers they had, the fewer late ones are needed.
 */
export function latenessOfRun(
  row: TimedRow,
  othersNow: OthersNow,
  judging: Judging,
): EjectionEvidence | undefined {
  const { factorMax, nowMs } = judging;
  const limit = Math.log(factorMax);
  const answers = [...row.late.recentOfAll(nowMs), ...row.waitingSoFar(nowMs)];
  // Most calls end here, without listing the others: every busy endpoint of a large pool is judged in one tick.
  const ownLate = answers.filter((answer) => excessOf(answer, answer.logUsual) > limit);
  if (ownLate.length < lateMin) return undefined;
  const others = othersNow();
  if (others === undefined) return undefined;
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

/**
 * Probability that a healthy engine's answer is late, by Laplace's rule: few answers of the others
 * prove little, even if none is late.
 */
function ratioIfWellOf({ answers, late }: { readonly answers: number; readonly late: number }) {
  return Math.min(lateRatioIfSlow, Math.max(lateRatioIfWell, (late + 1) / (answers + 2)));
}

/** The answers since the last one that spoke for the endpoint. */
function runOf(judged: readonly Judged[], limit: number): readonly Judged[] {
  const last = judged.findLastIndex(
    ({ isKnown, excess }) => isKnown && excess <= limit * wellShare,
  );
  return judged.slice(last + 1);
}

/** Logarithm of the odds of slow against healthy. */
function logOddsOf(judged: readonly Judged[], limit: number, ratioIfWell: number): number {
  let sum = 0;
  for (const { excess, isKnown } of judged) {
    if (excess > limit) sum += Math.log(lateRatioIfSlow / ratioIfWell);
    else if (!isKnown) sum += Math.log((1 - boundedRatioIfSlow) / (1 - ratioIfWell));
  }
  return sum;
}

/** Time at which the first answer of a run became late. */
function overdueMsOf(run: readonly Judged[], limit: number): number {
  return Math.min(...run.map((one) => one.atMs - one.ttftMs + limitMsOf(one, limit)));
}

/** Milliseconds after which an answer is late. */
function limitMsOf({ ttftMs, excess }: Judged, limit: number): number {
  return Math.exp(Math.log(Math.max(1, ttftMs)) - excess + limit);
}

/** Times that an endpoint was late in succession. */
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
