import type { AnsweredHits, HitGroup, HitLadder, HitReport } from "../../src/core/hit-ladder.ts";

type Rungs = HitLadder["rungs"];

export interface ReportParts extends Partial<Omit<HitReport, "total">> {
  readonly requests?: number;
  readonly rungs?: Partial<Rungs>;
  readonly answers?: Partial<AnsweredHits>;
}

/** Rungs without gaps, of which `delivered` is what engines report. */
const even: Rungs = {
  ceiling: 0.9,
  capacity: 0.9,
  reachable: 0.9,
  predicted: 0.9,
  delivered: 0.9,
};

/** Answers that deliver what was predicted. */
export function someAnswers(parts: Partial<AnsweredHits> = {}): AnsweredHits {
  return {
    answers: 1_000,
    reporting: 1_000,
    promptTokens: 2_000_000,
    predicted: 0.9,
    delivered: 0.9,
    ...parts,
  };
}

/** The ladder of an hour in which all is well, besides the parts given. */
export function aHitReport({
  requests = 1_000,
  rungs,
  answers,
  ...parts
}: ReportParts = {}): HitReport {
  return {
    watchedMs: 7_200_000,
    windowMs: 3_600_000,
    total: {
      requests,
      promptTokens: requests * 2_000,
      rungs: { ...even, ...rungs },
      answers: someAnswers(answers),
    },
    sample: { blockTokens: 64, rate: 1 / 16, blocks: 9_000, memoryBytes: 2 ** 20 },
    cache: { endpoints: 4, reporting: 4, tokens: 1_600_000 },
    steps: [],
    groups: [],
    endpoints: [],
    otherBlockSize: 0,
    splitAnswers: 0,
    counted: { endpoints: 0, lookupTokens: 0, hitTokens: 0, ratio: undefined },
    deliveredBy: "answers",
    looksForPrefixes: true,
    ...parts,
  };
}

/** Requests of a tenant whose prompts are compared and found different. */
export function aHitGroup(parts: Partial<HitGroup> = {}): HitGroup {
  return {
    ...aHitReport().total,
    model: "llama",
    tenant: "default-flow",
    isOthers: false,
    starts: { pairs: 50, alike: 0, differFromTokens: 0, lostRatio: 0 },
    ...parts,
  };
}
