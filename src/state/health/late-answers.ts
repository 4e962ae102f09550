import type { EjectionEvidence } from "../../core/health-settings.ts";
import { octaveOf, type PlacedWork, type WorkCurve } from "../pace/work-curve.ts";

/** Answers that are kept, and the time for which they count. */
const answersMax = 16;
const answerMsMax = 60_000;
/** Minimum number of answers to judge an endpoint by. */
export const lateAnswersMin = 12;
/** Answers of another endpoint that are needed to see if all have become slower. */
const othersAnswersMin = 8;
/**
 * If this share of the others' answers is late by the root of the limit, lateness is not one
 * endpoint's own.
 */
const othersLateRatioMax = 0.25;
/**
 * Minimum answers in a group, of one kind of work or of all clients but the busiest, for the group
 * to count.
 */
const groupMin = 4;
/** Maximum number of other endpoints to compare with. */
export const othersMax = 64;
/**
 * At most a quarter of the answers may be late by less than this share of the limit, as a
 * logarithm.
 */
const quarterShare = 0.5;

/** One first token with the work that may explain it. */
export interface TimedAnswer {
  /** Order of its request among those of its endpoint. */
  readonly order: number;
  readonly atMs: number;
  readonly client: number | undefined;
  readonly ttftMs: number;
  readonly work: PlacedWork;
  /** Logarithm of the milliseconds that such work usually takes at this endpoint. */
  readonly logUsual: number;
  /** False if the work is only known to be no more than that. */
  readonly isKnown: boolean;
  /** True if there was free room in the batch. */
  readonly isUsual: boolean;
  /** True if the first token is still pending; the time is that up to now. */
  readonly isWaiting?: boolean;
}

/** The last first tokens of an endpoint. */
export class LateAnswers {
  #known: TimedAnswer[] = [];
  #bounded: TimedAnswer[] = [];

  note(answer: TimedAnswer): void {
    // By now the engine has reported how much work it was.
    this.#bounded = this.#bounded.filter(({ order }) => order !== answer.order);
    if (answer.isKnown && answer.isUsual) this.#known = withLast(this.#known, answer);
    else this.#bounded = withLast(this.#bounded, answer);
  }

  /** Answers whose work was known, and that found free room. */
  recent(nowMs: number): readonly TimedAnswer[] {
    return this.#known.filter(({ atMs }) => nowMs - atMs < answerMsMax);
  }

  /** All answers in order, including those with only an upper bound of the work. */
  recentOfAll(nowMs: number): readonly TimedAnswer[] {
    return [...this.#known, ...this.#bounded]
      .filter(({ atMs }) => nowMs - atMs < answerMsMax)
      .toSorted((a, b) => a.atMs - b.atMs);
  }

  clear(): void {
    this.#known = [];
    this.#bounded = [];
  }
}

function withLast(answers: readonly TimedAnswer[], last: TimedAnswer): TimedAnswer[] {
  return [...answers.slice(1 - answersMax), last];
}

export interface TimedRow {
  readonly late: LateAnswers;
  readonly pace: { readonly curve: WorkCurve };
  /** Requests that have a place and wait for a first token. */
  waitingSoFar(nowMs: number): readonly TimedAnswer[];
}

export interface Judging {
  readonly factorMax: number;
  readonly answersMin: number;
  readonly nowMs: number;
}

/** Lists the other endpoints; undefined if they may not be read now. */
export type OthersNow = () => readonly TimedRow[] | undefined;

/**
 * Evidence that an endpoint is slower than its work explains; undefined if there is none.
 *
 * The lateness of a first token is the factor over both its endpoint's own usual time and that of
 * the others for such work, less the slowdown of the others. Half of the answers must be late by
 * the limit, three quarters by its root. So must half of each kind of work, and half of those that
 * are left without the client that sent most.
 */
export function latenessOf(
  row: TimedRow,
  othersNow: OthersNow,
  { factorMax, answersMin, nowMs }: Judging,
): EjectionEvidence | undefined {
  const answers = row.late.recent(nowMs);
  const limit = Math.log(factorMax);
  // Most calls end here, without reading the others.
  if (answers.length < answersMin) return undefined;
  if (quantileOf(answers.map(ownExcessOf), 0.5) <= limit) return undefined;
  const others = othersNow();
  if (others === undefined) return undefined;
  const shift = shiftOf(others, nowMs);
  const judged = answers.flatMap((answer) => {
    const logOthers = logUsualOf(others, answer.work);
    if (logOthers === undefined) return [];
    return [{ ...answer, logOthers, excess: excessOf(answer, logOthers) - shift }];
  });
  if (judged.length < answersMin) return undefined;
  const excesses = judged.map(({ excess }) => excess);
  const median = quantileOf(excesses, 0.5);
  if (median <= limit || quantileOf(excesses, 0.25) <= limit * quarterShare) return undefined;
  const fromMs = Math.min(...judged.map(({ atMs, ttftMs }) => atMs - ttftMs));
  const peers = peersOf(others, { fromMs, limit, nowMs });
  if (peers.answers >= othersAnswersMin && peers.late > othersLateRatioMax * peers.answers) {
    return undefined;
  }
  if (!groupsAreLate(judged, limit)) return undefined;
  if (!isLateWithoutBusiest(judged, { others, limit, nowMs })) return undefined;
  return lateEvidenceOf(judged, { factorMax, shift });
}

/**
 * Logarithm of the factor by which an answer exceeds both its endpoint's own usual time and that of
 * the others.
 */
export function excessOf({ ttftMs, logUsual }: TimedAnswer, logOthers: number): number {
  return Math.log(Math.max(1, ttftMs)) - Math.max(logUsual, logOthers);
}

export function lateEvidenceOf(
  judged: readonly Judged[],
  { factorMax, shift }: { readonly factorMax: number; readonly shift: number },
): EjectionEvidence {
  return {
    answers: judged.length,
    ttftMs: middle(judged.map(({ ttftMs }) => ttftMs)),
    usualMs: middle(judged.map(({ logUsual }) => Math.exp(logUsual))),
    othersUsualMs: middle(judged.map(({ logOthers }) => Math.exp(logOthers))),
    workTokens: middle(judged.map(({ work }) => work.tokens)),
    factor: rounded(
      Math.exp(
        quantileOf(
          judged.map(({ excess }) => excess),
          0.5,
        ),
      ),
    ),
    factorMax,
    othersFactor: rounded(Math.exp(shift)),
  };
}

interface Judged extends TimedAnswer {
  readonly logOthers: number;
  readonly excess: number;
}

function ownExcessOf({ ttftMs, logUsual }: TimedAnswer): number {
  return Math.log(Math.max(1, ttftMs)) - logUsual;
}

/** Slowdown of the others, as a logarithm; never below 0. */
function shiftOf(others: readonly TimedRow[], nowMs: number): number {
  const shifts = others.slice(0, othersMax).flatMap(({ late }) => {
    // Includes answers of a full engine: else only answers from before a slowdown of all might be
    // left.
    const answers = late.recentOfAll(nowMs).slice(-answersMax);
    return answers.length < othersAnswersMin ? [] : quantileOf(answers.map(ownExcessOf), 0.5);
  });
  return shifts.length === 0 ? 0 : Math.max(0, quantileOf(shifts, 0.5));
}

/**
 * Answers of the others from a given time on: their number, those late by the root of the limit,
 * and the median excess.
 */
export function peersOf(
  others: readonly TimedRow[],
  {
    fromMs,
    limit,
    nowMs,
  }: { readonly fromMs: number; readonly limit: number; readonly nowMs: number },
) {
  const excesses = others.slice(0, othersMax).flatMap((other) =>
    [...other.late.recentOfAll(nowMs), ...other.waitingSoFar(nowMs)].flatMap((answer) => {
      const excess = excessOf(answer, answer.logUsual);
      if (answer.atMs < fromMs || (answer.isWaiting && excess <= limit / 2)) return [];
      return [excess];
    }),
  );
  return {
    answers: excesses.length,
    late: excesses.filter((excess) => excess > limit / 2).length,
    shift: excesses.length === 0 ? 0 : Math.max(0, quantileOf(excesses, 0.5)),
  };
}

/** Median of the others' usual time for such work. */
export function logUsualOf(others: readonly TimedRow[], work: PlacedWork): number | undefined {
  const known = others.slice(0, othersMax).flatMap(({ pace }) => pace.curve.logUsual(work) ?? []);
  return known.length === 0 ? undefined : quantileOf(known, 0.5);
}

/** If one kind of work is slow and another is not, the cause is the work and not the engine. */
export function groupsAreLate(judged: readonly Judged[], limit: number): boolean {
  const groups = groupsOf(judged, ({ work }) => octaveOf(work.tokens));
  return [...groups.values()].every((group) => group.length < groupMin || isLate(group, limit));
}

/**
 * One client's requests may be slow for a reason of their own. If there are others, they must be
 * late too.
 */
export function isLateWithoutBusiest(
  judged: readonly Judged[],
  {
    others,
    limit,
    nowMs,
    leftMin = groupMin,
  }: {
    readonly others: readonly TimedRow[];
    readonly limit: number;
    readonly nowMs: number;
    readonly leftMin?: number;
  },
): boolean {
  const byClient = groupsOf(judged, ({ client }) => client);
  const [busiest] = [...byClient].toSorted(([, a], [, b]) => b.length - a.length)[0] ?? [];
  const isOnly =
    byClient.size === 1 &&
    others.every(({ late }) => late.recent(nowMs).every(({ client }) => client === busiest));
  if (isOnly) return true;
  const left = judged.filter(({ client }) => client !== busiest);
  return left.length >= leftMin && isLate(left, limit);
}

export function isLate(judged: readonly Judged[], limit: number): boolean {
  return (
    quantileOf(
      judged.map(({ excess }) => excess),
      0.5,
    ) > limit
  );
}

function groupsOf<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

function middle(values: readonly number[]): number {
  return rounded(quantileOf(values, 0.5));
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * The smallest value that at least this share of the values does not exceed; of two in the middle
 * the lower one.
 */
function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
