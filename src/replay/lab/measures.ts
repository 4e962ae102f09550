import type { RunRecord, SentRequest } from "./run-record.ts";
import type { Setup } from "./setup.ts";

/** A request is served well up to these. */
const goodTtftMs = 2_000;
const goodTpotMs = 50;

interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** The results of a run. Requests of conversations that began in the warm-up do not count. */
export interface Measures {
  readonly requests: number;
  readonly failed: number;
  /** Requests without a whole answer at the end of the run; the time until then counts as theirs. */
  readonly unfinished: number;
  /** Seconds from sending to the first token. */
  readonly ttftS: Spread;
  /** Milliseconds of each token after the first. */
  readonly tpotMs: Spread;
  /** Seconds from sending to the last token. */
  readonly e2eS: Spread;
  /** Share of requests with a TTFT of up to 2 s and a TPOT of up to 50 ms. */
  readonly goodRatio: number;
  /** Prompt tokens that engines had cached, over all prompt tokens. */
  readonly hitRatio: number;
  /** The same with one cache for all that never forgets. */
  readonly idealHitRatio: number;
  /** Prefill time of the busiest engine over the mean. */
  readonly imbalance: number;
  /** Most that a TTFT was of the time that an idle engine takes for the whole prompt. */
  readonly slowdownMost: number;
  /** The mean TTFT of requests by objective, in seconds; only with objectives. */
  readonly ttftMeanSByObjective: Readonly<Record<string, number>>;
  /** Further measures by objective; undefined without objectives. */
  readonly byObjective?: Readonly<Record<string, OfObjective>>;
}

/** Measures of the requests of one objective. */
export interface OfObjective {
  /** Seconds from sending to the first token. */
  readonly ttftP95S: number;
  /** Prompt and output tokens a second, of answers that ended in the second half of the time in which requests were sent. */
  readonly tokensPerS: number;
}

/** The measures that a comparison is about, by name. */
export const comparedMeasures = {
  ttftMeanS: ({ ttftS }: Measures) => ttftS.mean,
  ttftP90S: ({ ttftS }: Measures) => ttftS.p90,
  ttftP99S: ({ ttftS }: Measures) => ttftS.p99,
  e2eMeanS: ({ e2eS }: Measures) => e2eS.mean,
} as const;

export function measuresOf(record: RunRecord, setup: Setup, warmUpMs: number): Measures {
  const counted = record.sent.filter(({ begunMs }) => begunMs >= warmUpMs);
  const taken = counted.filter(({ failure }) => failure === undefined);
  const ttftsMs = taken.map((one) => ttftMsOf(one, record.endMs));
  const answered = taken.filter(({ endedMs }) => endedMs !== undefined);
  const tpotsMs = answered.flatMap((one) => tpotMsOf(one) ?? []);
  const e2esMs = taken.map(({ sentMs, endedMs = record.endMs }) => endedMs - sentMs);
  const promptTokens = sumOf(taken.map((one) => one.promptTokens));
  const good = answered.filter(
    (one) => ttftMsOf(one, record.endMs) <= goodTtftMs && (tpotMsOf(one) ?? 0) <= goodTpotMs,
  );
  return {
    requests: counted.length,
    failed: counted.length - taken.length,
    unfinished: taken.length - answered.length,
    ttftS: spreadOf(ttftsMs, 1_000),
    tpotMs: spreadOf(tpotsMs, 1),
    e2eS: spreadOf(e2esMs, 1_000),
    goodRatio: good.length / Math.max(1, counted.length),
    hitRatio: sumOf(taken.map(({ cachedTokens = 0 }) => cachedTokens)) / promptTokens,
    idealHitRatio: sumOf(taken.map(({ idealTokens }) => idealTokens)) / promptTokens,
    imbalance: Math.max(...record.prefillMs) / (sumOf(record.prefillMs) / record.prefillMs.length),
    slowdownMost: mostOf(taken.map((one) => ttftMsOf(one, record.endMs) / ownMsOf(one, setup))),
    ttftMeanSByObjective: meansByObjective(taken, record.endMs),
    ...byObjective(taken, record.endMs),
  };
}

function ttftMsOf({ sentMs, firstTokenMs }: SentRequest, endMs: number): number {
  return (firstTokenMs ?? endMs) - sentMs;
}

/** Undefined for an answer of one token. */
function tpotMsOf({ firstTokenMs, endedMs, outputTokens }: SentRequest): number | undefined {
  if (firstTokenMs === undefined || endedMs === undefined || outputTokens < 2) return undefined;
  return (endedMs - firstTokenMs) / (outputTokens - 1);
}

/** Time of the request alone on an engine of full speed without a cache. */
function ownMsOf({ promptTokens }: SentRequest, { engineOptions }: Setup): number {
  const { prefillTokensPerSecond, stepBaseMs, stepTokensMax } = engineOptions;
  const steps = Math.ceil(promptTokens / stepTokensMax);
  return (promptTokens / prefillTokensPerSecond) * 1_000 + steps * stepBaseMs;
}

function meansByObjective(taken: readonly SentRequest[], endMs: number): Record<string, number> {
  return Object.fromEntries(
    listsByObjective(taken).map(([objective, ones]) => {
      return [objective, meanOf(ones.map((one) => ttftMsOf(one, endMs))) / 1_000];
    }),
  );
}

function byObjective(taken: readonly SentRequest[], endMs: number): Pick<Measures, "byObjective"> {
  const lists = listsByObjective(taken);
  if (lists.length === 0) return {};
  const fromMs = taken.reduce((least, { sentMs }) => Math.min(least, sentMs), endMs);
  const untilMs = mostOf(taken.map(({ sentMs }) => sentMs));
  const middleMs = (fromMs + untilMs) / 2;
  const measured = lists.map(([objective, ones]) => {
    const ttftsMs = ones.map((one) => ttftMsOf(one, endMs)).toSorted((a, b) => a - b);
    const served = ones.filter(({ endedMs = endMs }) => endedMs > middleMs && endedMs <= untilMs);
    const tokens = sumOf(served.map((one) => one.promptTokens + one.outputTokens));
    return [
      objective,
      {
        ttftP95S: quantileOf(ttftsMs, 0.95) / 1_000,
        tokensPerS: tokens / ((untilMs - middleMs) / 1_000),
      },
    ] as const;
  });
  return { byObjective: Object.fromEntries(measured) };
}

/** Requests by objective, in the order of the names; without those that have none. */
function listsByObjective(taken: readonly SentRequest[]) {
  const named = taken.filter(({ objective }) => objective !== undefined);
  return [...listsBy(named, ({ objective = "" }) => objective)].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
}

function spreadOf(values: readonly number[], unit: number): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    mean: meanOf(values) / unit,
    p50: quantileOf(sorted, 0.5) / unit,
    p90: quantileOf(sorted, 0.9) / unit,
    p99: quantileOf(sorted, 0.99) / unit,
  };
}

/** The values of each key, in order. */
export function listsBy<T>(
  values: readonly T[],
  keyOf: (value: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const lists = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [value]);
    else list.push(value);
  }
  return lists;
}

/** The value below which a share of the sorted ones is; 0 without any. */
function quantileOf(sorted: readonly number[], quantile: number): number {
  return sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0;
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

export function geometricMeanOf(values: readonly number[]): number {
  return Math.exp(meanOf(values.map((value) => Math.log(value))));
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : sumOf(values) / values.length;
}

function mostOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
