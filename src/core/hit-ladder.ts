/**
 * Rungs of the hit-rate ladder, from the highest to the lowest, each a share of prompt tokens.
 *
 * `ceiling`: leading blocks that an earlier prompt of the last hour had. `capacity`: those that one cache of the size of
 * all caches together would still hold. `reachable`: those that caches would hold if each prefix had one home, or as many as its
 * load needs. `predicted`: those that the endpoint was expected to hold when it was picked. `delivered`: tokens that answers
 * report as cached, or that engines count as hits if no answer reports any.
 */
export const hitRungs = ["ceiling", "capacity", "reachable", "predicted", "delivered"] as const;
type HitRung = (typeof hitRungs)[number];

/** The ladder of some requests; a rung is undefined if it is not known. */
export interface HitLadder {
  readonly requests: number;
  readonly promptTokens: number;
  readonly rungs: Readonly<Record<HitRung, number | undefined>>;
  readonly answers: AnsweredHits;
}

/** Complete answers, and what those of them that report cached tokens say. */
export interface AnsweredHits {
  readonly answers: number;
  readonly reporting: number;
  /** Prompt tokens of those that report. */
  readonly promptTokens: number;
  /** Share of their prompt tokens that was expected to be cached; undefined if none reports. */
  readonly predicted: number | undefined;
  readonly delivered: number | undefined;
}

/** Hits by the counters of engines, of all traffic that reaches them. */
export interface CountedHits {
  /** Prompt tokens that they looked up in their prefix caches, and found there. */
  readonly lookupTokens: number;
  readonly hitTokens: number;
  /** Undefined if nothing was looked up. */
  readonly ratio: number | undefined;
}

/** Comparison of prompts that followed one another, by their text. */
export interface PromptStarts {
  /** Pairs of prompts that were compared. */
  readonly pairs: number;
  /** Those that have much more text in common than their common beginning. */
  readonly alike: number;
  /** Tokens before the first difference, in the mean over these. */
  readonly differFromTokens: number;
  /** Share of their text that is common and not in the common beginning, in the mean. */
  readonly lostRatio: number;
}

/** Requests of one model and tenant; "" stands for those beyond the limit. */
export interface HitGroup extends HitLadder {
  readonly model: string;
  readonly tenant: string;
  readonly isOthers: boolean;
  readonly starts: PromptStarts;
}

/** Hits of the pool as a function of the size of its caches. */
export interface CapacityStep {
  /** Times the size of today. */
  readonly factor: number;
  readonly tokens: number;
  readonly ratio: number;
}

export interface HitReport {
  /** Milliseconds since the first request. */
  readonly watchedMs: number;
  readonly windowMs: number;
  readonly total: HitLadder;
  readonly sample: {
    /** Tokens per block; 0 before the first request. */
    readonly blockTokens: number;
    /** Share of the blocks that are sampled. */
    readonly rate: number;
    readonly blocks: number;
    readonly memoryBytes: number;
  };
  readonly cache: {
    readonly endpoints: number;
    readonly reporting: number;
    /** Undefined if no endpoint reports the size of its cache. */
    readonly tokens: number | undefined;
  };
  /** By the engines' own count; `endpoints` have such counters. */
  readonly counted: CountedHits & { readonly endpoints: number };
  /** The source of the rung `delivered`: engines only if no answer reports; undefined if neither does. */
  readonly deliveredBy: "answers" | "engines" | undefined;
  readonly steps: readonly CapacityStep[];
  /** By prompt tokens, most first. */
  readonly groups: readonly HitGroup[];
  readonly endpoints: readonly (AnsweredHits & {
    readonly id: string;
    /** Undefined if the engine has no such counters. */
    readonly counted: CountedHits | undefined;
  })[];
  /** Requests that are in no rung, because no endpoint had the block size of the sample. */
  readonly otherBlockSize: number;
  /** Answers whose prompt another endpoint has computed: they tell nothing of its cache. */
  readonly splitAnswers: number;
  /** False if no plugin of the configuration looks for prefixes. */
  readonly looksForPrefixes: boolean;
}
