import type { Outcome } from "./outcomes.ts";

/** Slices of the measured time, whose errors tell how far a replay of them may be off. */
const slices = 5;
/** Requests that a slice needs to count. */
const sliceRequestsMin = 20;

/** Slices of a comparison of two runs. */
const gainSlices = 10;
/** Time of a request that gets no answer. */
const unservedMs = 3_600_000;

interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** The results of one run. */
export interface Summary {
  readonly requests: number;
  /** Requests without a whole answer. */
  readonly unserved: number;
  /** Of streams; undefined without any. */
  readonly ttftS: Spread | undefined;
  readonly e2eS: Spread | undefined;
  readonly tpotMs: Spread | undefined;
  /** Share of the prompt tokens that engines had cached; undefined if none told. */
  readonly hitRatio: number | undefined;
  /** Share of the requests of the busiest endpoint, times the endpoints: 1 if all have the same. */
  readonly imbalance: number;
  readonly shares: readonly number[];
}

export function summaryOf(outcomes: readonly Outcome[], endpoints: number): Summary {
  const counts = Array.from({ length: endpoints }, () => 0);
  let [cached, prompt] = [0, 0];
  for (const { endpoint, cachedTokens, promptTokens } of outcomes) {
    if (endpoint !== undefined) counts[endpoint] = (counts[endpoint] ?? 0) + 1;
    if (cachedTokens === undefined) continue;
    cached += cachedTokens;
    prompt += promptTokens;
  }
  const served = counts.reduce((sum, count) => sum + count, 0);
  return {
    requests: outcomes.length,
    unserved: outcomes.filter(({ e2eMs }) => e2eMs === undefined).length,
    ttftS: spreadOf(outcomes, ({ ttftMs }) => ttftMs && ttftMs / 1_000),
    e2eS: spreadOf(outcomes, ({ e2eMs }) => e2eMs && e2eMs / 1_000),
    tpotMs: spreadOf(outcomes, ({ tpotMs }) => tpotMs),
    hitRatio: prompt === 0 ? undefined : cached / prompt,
    imbalance: served === 0 ? 0 : (Math.max(...counts) * endpoints) / served,
    shares: counts.map((count) => count / Math.max(1, served)),
  };
}

/** The time that a comparison is about: to the first token, or of whole answers if none streams. */
function comparedMs({ ttftMs, e2eMs }: Outcome, hasStreams: boolean): number | undefined {
  return hasStreams ? ttftMs : e2eMs;
}

/**
 * Expected error of replays of this recording, as a share of the mean: the error of the whole, or the root mean square of
 * the errors of its slices over time if that is more.
 */
export function errorRatioOf(
  recorded: readonly Outcome[],
  replayed: readonly Outcome[],
  hasStreams: boolean,
): number {
  const pairs = recorded.flatMap((outcome, index) => {
    const was = comparedMs(outcome, hasStreams);
    const other = replayed[index];
    const is = other && comparedMs(other, hasStreams);
    return was === undefined || is === undefined ? [] : [{ was, is }];
  });
  const whole = errorIn(pairs);
  const size = Math.ceil(pairs.length / slices);
  if (size < sliceRequestsMin) return whole;
  const errors = Array.from({ length: slices }, (_, slice) =>
    errorIn(pairs.slice(slice * size, (slice + 1) * size)),
  );
  const square = errors.reduce((sum, error) => sum + error * error, 0) / slices;
  // Slices fall on either side, and the mean over all of them has less of it.
  return Math.max(whole, Math.sqrt(square / slices));
}

interface Pair {
  readonly was: number;
  readonly is: number;
}

function errorIn(pairs: readonly Pair[]): number {
  let [was, is] = [0, 0];
  for (const pair of pairs) {
    was += pair.was;
    is += pair.is;
  }
  return was === 0 ? 0 : Math.abs(is / was - 1);
}

/** Mean of the compared times, in milliseconds. A request without an answer counts an hour. */
export function meanComparedMs(outcomes: readonly Outcome[]): number {
  const hasStreams = outcomes.some(({ ttftMs }) => ttftMs !== undefined);
  const times = outcomes.flatMap((outcome) => {
    if (outcome.e2eMs === undefined) return unservedMs;
    return comparedMs(outcome, hasStreams) ?? [];
  });
  return times.reduce((sum, time) => sum + time, 0) / Math.max(1, times.length);
}

/** Change of a mean between two runs of the same requests. */
export interface Gain {
  /** Of the mean: -0.1 is a tenth less. */
  readonly change: number;
  /** Twice the standard error of the change, by slices of time. */
  readonly error: number;
}

export function gainOf(before: readonly Outcome[], after: readonly Outcome[]): Gain {
  const changeIn = (from: number, to: number) => {
    const [was, is] = [before, after].map((run) => meanComparedMs(run.slice(from, to)));
    return (is ?? 0) / Math.max(1e-9, was ?? 0) - 1;
  };
  const size = Math.max(1, Math.ceil(before.length / gainSlices));
  const changes: number[] = [];
  for (let from = 0; from < before.length; from += size) changes.push(changeIn(from, from + size));
  const mean = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  const square = changes.reduce((sum, change) => sum + (change - mean) ** 2, 0);
  const variance = square / Math.max(1, changes.length - 1);
  return {
    change: changeIn(0, before.length),
    error: 2 * Math.sqrt(variance / changes.length),
  };
}

function spreadOf(
  outcomes: readonly Outcome[],
  of: (outcome: Outcome) => number | undefined,
): Spread | undefined {
  const values = outcomes.flatMap((outcome) => of(outcome) ?? []).toSorted((a, b) => a - b);
  if (values.length === 0) return undefined;
  const at = (share: number) => values[Math.floor(share * (values.length - 1))] ?? 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
