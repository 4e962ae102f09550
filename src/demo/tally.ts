/** Result of one request of the load, as its client saw it. */
export interface Outcome {
  readonly sentMs: number;
  readonly endedMs: number;
  /** A status code, or why there was none. */
  readonly result: string;
  readonly isError: boolean;
  /** Name of the engine that answered. */
  readonly servedBy?: string | undefined;
  /** Milliseconds to the first piece of a stream. */
  readonly ttftMs?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
}

export interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** Totals of some of the outcomes. */
export interface Tallied {
  readonly requests: number;
  readonly errors: number;
  /** Streams whose first piece was timed. */
  readonly streams: number;
  readonly ttft: Quantiles | undefined;
  /** Share of prompt tokens that engines found in their caches. */
  readonly hitRatio: number | undefined;
  /** Prompt tokens that engines had to compute. */
  readonly computedTokens: number;
}

/** Period of the clock. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

/** TTFT from which a request is late. */
export const lateTtftMs = 5_000;

/** Totals of the requests of a period. */
export interface PeriodTally extends Tallied {
  /** Share that one engine answered. */
  readonly engineShare: number | undefined;
  /** Share that was late. */
  readonly lateShare: number | undefined;
}

/** Outcomes kept for quantiles; the oldest go first. Counts cover all. */
const outcomesKeptMax = 20_000;

/** Different results that are told apart. */
const resultsMax = 12;

/** The outcomes of a load, counted by result and engine. */
export class Tally {
  readonly #kept: Outcome[] = [];
  readonly #results = new Map<string, number>();
  readonly #requestsByEngine = new Map<string, number>();
  #requests = 0;
  #errors = 0;

  add(outcome: Outcome): void {
    this.#requests += 1;
    if (outcome.isError) this.#errors += 1;
    const isKnown = this.#results.has(outcome.result) || this.#results.size < resultsMax;
    increment(this.#results, isKnown ? outcome.result : "other");
    if (outcome.servedBy !== undefined) increment(this.#requestsByEngine, outcome.servedBy);
    this.#kept.push(outcome);
    // Dropped by the half: dropping one at a time would move the whole list for each.
    if (this.#kept.length >= outcomesKeptMax * 1.5) this.#kept.splice(0, outcomesKeptMax / 2);
  }

  get results(): ReadonlyMap<string, number> {
    return this.#results;
  }

  get requestsByEngine(): ReadonlyMap<string, number> {
    return this.#requestsByEngine;
  }

  /** All outcomes since the start. */
  total(): Tallied {
    return { ...tallied(this.#kept), requests: this.#requests, errors: this.#errors };
  }

  /** The outcomes since a moment of the clock, all together and by engine. */
  since(startMs: number): {
    readonly all: Tallied;
    readonly byEngine: ReadonlyMap<string, Tallied>;
  } {
    const first = this.#kept.findLastIndex(({ endedMs }) => endedMs < startMs) + 1;
    const recent = this.#kept.slice(first);
    const names = new Set(recent.flatMap(({ servedBy }) => servedBy ?? []));
    const byEngine = [...names].map(
      (name) => [name, tallied(recent.filter(({ servedBy }) => servedBy === name))] as const,
    );
    return { all: tallied(recent), byEngine: new Map(byEngine) };
  }

  /** The kept outcomes of requests that were sent in a period. */
  sentIn({ startMs, endMs }: Period, engine: string): PeriodTally {
    const sent = this.#kept.filter(({ sentMs }) => sentMs >= startMs && sentMs < endMs);
    const share = (isMeant: (outcome: Outcome) => boolean) =>
      sent.length === 0 ? undefined : sent.filter(isMeant).length / sent.length;
    return {
      ...tallied(sent),
      engineShare: share(({ servedBy }) => servedBy === engine),
      lateShare: share(({ ttftMs = 0 }) => ttftMs > lateTtftMs),
    };
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function tallied(outcomes: readonly Outcome[]): Tallied {
  const ttfts = outcomes.flatMap(({ ttftMs }) => (ttftMs === undefined ? [] : [ttftMs]));
  const sorted = ttfts.toSorted((a, b) => a - b);
  let promptTokens = 0;
  let cachedTokens = 0;
  for (const outcome of outcomes) {
    promptTokens += outcome.promptTokens ?? 0;
    cachedTokens += outcome.cachedTokens ?? 0;
  }
  return {
    requests: outcomes.length,
    errors: outcomes.filter(({ isError }) => isError).length,
    streams: sorted.length,
    ttft:
      sorted.length === 0
        ? undefined
        : { p50Ms: quantileOf(sorted, 0.5), p95Ms: quantileOf(sorted, 0.95) },
    computedTokens: promptTokens - cachedTokens,
    hitRatio: promptTokens === 0 ? undefined : cachedTokens / promptTokens,
  };
}

/** The smallest of the sorted values that at least `share` of them do not exceed. */
function quantileOf(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
