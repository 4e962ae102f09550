import type { AnsweredHits, HitLadder, PromptStarts } from "../../core/hit-ladder.ts";

/** Places of sums about some requests. */
export const requestSums = {
  requests: 0,
  promptTokens: 1,
  /** Tokens in blocks that were looked at. */
  blockTokens: 2,
  /** Of these, in blocks that are new: an estimate from the sample, like the next two. */
  newTokens: 3,
  /** In blocks that are new, or that a cache of the size of all would have evicted. */
  evictedTokens: 4,
  /** In blocks that are new, evicted, or on too few endpoints. */
  unreachedTokens: 5,
  predictedTokens: 6,
  pairs: 7,
  alikePairs: 8,
  differFromTokens: 9,
  lostShares: 10,
  /** First place of `answerSums`. */
  answers: 11,
} as const;

/** Places of sums about complete answers. */
export const answerSums = {
  answers: 0,
  reporting: 1,
  promptTokens: 2,
  predictedTokens: 3,
  cachedTokens: 4,
} as const;

export const answerSumCount = 5;
export const requestSumCount = requestSums.answers + answerSumCount;

/** Adds to one of several sums. */
export function addTo(sums: Float64Array, place: number, amount: number): void {
  sums[place] = (sums[place] ?? 0) + amount;
}

/** The ladder of these sums. `hasCapacity`: the size of the caches is known. */
export function ladderOf(
  sums: Float64Array,
  known: { readonly capacity: boolean; readonly predictions: boolean },
): HitLadder {
  const of = (name: keyof typeof requestSums) => sums[requestSums[name]] ?? 0;
  const promptTokens = of("promptTokens");
  // An estimate may be more than there is.
  const ratioWithout = (missed: number) =>
    shareOf(Math.max(0, of("blockTokens") - missed), promptTokens);
  const answers = answersOf(sums, requestSums.answers);
  const capacity = known.capacity ? ratioWithout(of("evictedTokens")) : undefined;
  const reachable = known.capacity ? ratioWithout(of("unreachedTokens")) : undefined;
  return {
    requests: of("requests"),
    promptTokens,
    rungs: {
      ceiling: ratioWithout(of("newTokens")),
      capacity,
      reachable,
      predicted: known.predictions ? shareOf(of("predictedTokens"), promptTokens) : undefined,
      delivered: answers.delivered,
    },
    answers,
  };
}

/** Answers, by their sums from `first` on. */
export function answersOf(sums: Float64Array, first = 0): AnsweredHits {
  const of = (name: keyof typeof answerSums) => sums[first + answerSums[name]] ?? 0;
  const promptTokens = of("promptTokens");
  return {
    answers: of("answers"),
    reporting: of("reporting"),
    promptTokens,
    predicted: shareOf(of("predictedTokens"), promptTokens),
    delivered: shareOf(of("cachedTokens"), promptTokens),
  };
}

export function startsOf(sums: Float64Array): PromptStarts {
  const alike = sums[requestSums.alikePairs] ?? 0;
  const meanOf = (sum: number) => (sums[sum] ?? 0) / Math.max(1, alike);
  return {
    pairs: sums[requestSums.pairs] ?? 0,
    alike,
    differFromTokens: meanOf(requestSums.differFromTokens),
    lostRatio: meanOf(requestSums.lostShares),
  };
}

/** Undefined if there is nothing to share. */
function shareOf(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined;
}
