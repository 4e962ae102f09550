/** Mean and quantiles of an amount over many decisions. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Comparison of the shadow document with the one in force, over some requests. */
export interface ShadowNumbers {
  readonly decisions: number;
  /** Decisions of which both documents pick the same endpoint. */
  readonly same: number;
  /** Decisions in which the shadow document would refuse the request. */
  readonly refused: number;
  /** Null without decisions. */
  readonly agreementRatio: number | null;
  /**
   * Expected time to first token at the shadow document's pick minus that at the pick in force, in the mean over all decisions
   * of which both are known; negative if the shadow document would be faster. Null if none is known.
   */
  readonly ttftDifferenceMs: number | null;
  /** Of the decisions in which its pick is expected to be slower. */
  readonly slowerMs: Spread | null;
  /** Of the decisions in which its pick is expected to be faster. */
  readonly fasterMs: Spread | null;
  /** Tokens that its pick is expected to have in its prefix cache, minus those of the pick in force. */
  readonly hitDifferenceTokens: number | null;
  readonly fewerHitTokens: Spread | null;
  readonly moreHitTokens: Spread | null;
}

/** A decision in which the documents differ. */
export interface ShadowDifference {
  readonly at: string;
  readonly requestId: string;
  readonly model: string;
  /** The endpoint in force. */
  readonly picked: string;
  /** That of the shadow document; null if it would refuse the request. */
  readonly shadowPick: string | null;
  readonly reason: string;
  readonly ttftDifferenceMs: number | null;
  readonly hitDifferenceTokens: number | null;
}

/** Bounds of a rise of the shadow document's times, as ratios: 0.1 is 10 % longer. */
interface RiseBounds {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

/** The rollout of the shadow document. */
export interface RolloutPage {
  readonly state: "comparing" | "promoted" | "rolledBack";
  /** Share of the requests that it decides about, 0 to 1. */
  readonly shareRatio: number;
  readonly steps: readonly number[];
  /** Begin of the step, or of the state. */
  readonly since: string;
  /** Part of the time between `stepTime` and `stepTimeMax` that the step has used, 0 to 1. */
  readonly overdueRatio: number;
  /** Conditions of the next step. */
  readonly waitsFor: readonly string[];
  /** Reasons of a rollback. */
  readonly reasons: readonly string[];
  /** Of the step; of errors, one for each conversation. */
  readonly requests: { readonly inForce: number; readonly shadow: number };
  readonly errors: { readonly inForce: number; readonly shadow: number };
  readonly rises: readonly {
    readonly measure: "ttft" | "answer" | "tpot";
    readonly pairs: number;
    readonly rise: RiseBounds | null;
  }[];
  readonly advice: string | null;
}

/** The page `/debug/shadow`; `enabled` is false, and nothing else there, if the picker follows no shadow document. */
export interface ShadowPage {
  readonly enabled: true;
  /** Null if there is none now. */
  readonly document: {
    readonly hash: string;
    readonly source: string;
    readonly appliedAt: string;
    readonly isInForce: boolean;
    readonly warnings: readonly string[];
    readonly text: string;
  } | null;
  /** The last document read, if it has mistakes. */
  readonly refused: {
    readonly hash: string;
    readonly refusedAt: string;
    readonly mistakes: readonly string[];
  } | null;
  /** Shares of the requests that the shadow document learns from, and that are compared, 0 to 1. */
  readonly learnedRatio: number;
  readonly comparedRatio: number;
  readonly cpuBudgetRatio: number;
  /** Time since the document came, as a share of that for which the event loop was busy, 0 to 1; that of a rollout too. */
  readonly cpuUsedRatio: number;
  /** Requests at which the shadow document threw; they went on undisturbed. */
  readonly failures: number;
  /** Null if the shadow document takes over no requests. */
  readonly rollout: RolloutPage | null;
  readonly total: ShadowNumbers;
  readonly sets: readonly (ShadowNumbers & {
    readonly model: string;
    readonly targetModel: string;
    readonly fairnessId: string;
    readonly priority: string;
  })[];
  /** Decisions that differ by the reason of the shadow document, the most frequent one first. */
  readonly reasons: readonly { readonly reason: string; readonly decisions: number }[];
  /** The last decisions that differ, newest first. */
  readonly differences: readonly ShadowDifference[];
}
