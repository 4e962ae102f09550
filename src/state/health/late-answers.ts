import type { EjectionEvidence } from "../../core/health-settings.ts";
import { octaveOf, type PlacedWork, type WorkCurve } from "../pace/work-curve.ts";

/** Answers that are kept, and for how long they say something of now. */
const answersMax = 16;
const answerMsMax = 60_000;
/** Answers that an endpoint is judged by at least. */
export const lateAnswersMin = 12;
/** Answers of another endpoint that are needed to see if all have become slower. */
const othersAnswersMin = 8;
/** Answers of one kind of work, or of all clients but the busiest, that must be late too. */
const groupMin = 4;
/** Other endpoints that are compared with at most. */
const othersMax = 64;
/** A quarter of the answers may be late by less than this share of the limit, as a logarithm. */
const quarterShare = 0.5;

/** One first token whose work was known. */
export interface TimedAnswer {
  readonly atMs: number;
  readonly client: number | undefined;
  readonly ttftMs: number;
  readonly work: PlacedWork;
  /** Logarithm of the milliseconds that such work usually takes at this endpoint. */
  readonly logUsual: number;
}

/** The last first tokens of an endpoint. */
export class LateAnswers {
  #last: TimedAnswer[] = [];

  note(answer: TimedAnswer): void {
    if (this.#last.length === answersMax) this.#last.shift();
    this.#last.push(answer);
  }

  recent(nowMs: number): readonly TimedAnswer[] {
    return this.#last.filter(({ atMs }) => nowMs - atMs < answerMsMax);
  }

  clear(): void {
    this.#last = [];
  }
}

export interface TimedRow {
  readonly late: LateAnswers;
  readonly pace: { readonly curve: WorkCurve };
}

interface Judging {
  readonly factorMax: number;
  readonly answersMin: number;
  readonly nowMs: number;
}

/**
 * The numbers that show an endpoint to be slower than its work explains; undefined where they do not.
 *
 * A first token is late by what it exceeds both its endpoint's own usual time and that of the others for such work,
 * and by what the others have become slower too. Half of the answers must be late by the limit, three quarters by its
 * root; so must half of each kind of work, and half of those that are left without the client that sent most.
 */
export function latenessOf(
  row: TimedRow,
  others: readonly TimedRow[],
  { factorMax, answersMin, nowMs }: Judging,
): EjectionEvidence | undefined {
  const answers = row.late.recent(nowMs);
  const limit = Math.log(factorMax);
  // Most looks end here, without one at the others.
  if (answers.length < answersMin) return undefined;
  if (quantileOf(answers.map(ownExcessOf), 0.5) <= limit) return undefined;
  const shift = shiftOf(others, nowMs);
  const judged = answers.flatMap((answer) => {
    const logOthers = logUsualOf(others, answer.work);
    if (logOthers === undefined) return [];
    const logTtft = Math.log(Math.max(1, answer.ttftMs));
    const excess = logTtft - Math.max(answer.logUsual, logOthers) - shift;
    return [{ ...answer, logOthers, excess }];
  });
  if (judged.length < answersMin) return undefined;
  const excesses = judged.map(({ excess }) => excess);
  const median = quantileOf(excesses, 0.5);
  if (median <= limit || quantileOf(excesses, 0.25) <= limit * quarterShare) return undefined;
  if (!groupsAreLate(judged, limit)) return undefined;
  if (!isLateWithoutBusiest(judged, { others, limit, nowMs })) return undefined;
  return {
    answers: judged.length,
    ttftMs: middle(judged.map(({ ttftMs }) => ttftMs)),
    usualMs: middle(judged.map(({ logUsual }) => Math.exp(logUsual))),
    othersUsualMs: middle(judged.map(({ logOthers }) => Math.exp(logOthers))),
    workTokens: middle(judged.map(({ work }) => work.tokens)),
    factor: rounded(Math.exp(median)),
    factorMax,
    othersFactor: rounded(Math.exp(shift)),
  };
}

interface Judged extends TimedAnswer {
  readonly excess: number;
}

function ownExcessOf({ ttftMs, logUsual }: TimedAnswer): number {
  return Math.log(Math.max(1, ttftMs)) - logUsual;
}

/** Slowdown of the others, as a logarithm; never below 0. */
function shiftOf(others: readonly TimedRow[], nowMs: number): number {
  const shifts = others.slice(0, othersMax).flatMap(({ late }) => {
    const answers = late.recent(nowMs);
    return answers.length < othersAnswersMin ? [] : quantileOf(answers.map(ownExcessOf), 0.5);
  });
  return shifts.length === 0 ? 0 : Math.max(0, quantileOf(shifts, 0.5));
}

/** Usual time for such work at the others, by their median. */
function logUsualOf(others: readonly TimedRow[], work: PlacedWork): number | undefined {
  const known = others.slice(0, othersMax).flatMap(({ pace }) => pace.curve.logUsual(work) ?? []);
  return known.length === 0 ? undefined : quantileOf(known, 0.5);
}

/** If one kind of work is slow and another is not, the cause is the work and not the engine. */
function groupsAreLate(judged: readonly Judged[], limit: number): boolean {
  const groups = groupsOf(judged, ({ work }) => octaveOf(work.tokens));
  return [...groups.values()].every((group) => group.length < groupMin || isLate(group, limit));
}

/** One client's requests may be slow for a reason of their own. Where there are others, they must be late too. */
function isLateWithoutBusiest(
  judged: readonly Judged[],
  {
    others,
    limit,
    nowMs,
  }: { readonly others: readonly TimedRow[]; readonly limit: number; readonly nowMs: number },
): boolean {
  const byClient = groupsOf(judged, ({ client }) => client);
  const [busiest] = [...byClient].toSorted(([, a], [, b]) => b.length - a.length)[0] ?? [];
  const isOnly =
    byClient.size === 1 &&
    others.every(({ late }) => late.recent(nowMs).every(({ client }) => client === busiest));
  if (isOnly) return true;
  const left = judged.filter(({ client }) => client !== busiest);
  return left.length >= groupMin && isLate(left, limit);
}

function isLate(judged: readonly Judged[], limit: number): boolean {
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

/** The value that a share of them does not exceed; of two in the middle the lower one. */
function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
