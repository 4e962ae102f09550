import type { BlockHash } from "./kv-cache.ts";

export interface EngineRequest {
  /** Unique among the requests that are not finished. */
  readonly id: number;
  readonly promptTokens: number;
  /** One chained hash per full block of the prompt; a hash of a last, partial block is ignored. */
  readonly promptBlocks: readonly BlockHash[];
  /**
   * The chain of `promptBlocks` continued over the output: one hash per full block after the prompt's
   * full blocks. The first one holds the rest of the prompt and the first output tokens. A later prompt
   * that contains the answer and has these hashes in its `promptBlocks` hits the answer's blocks. Hashes
   * beyond the output are ignored. Default none: then no output is hit.
   */
  readonly outputBlocks?: readonly BlockHash[] | undefined;
  /** Tokens to generate; 0 for a request, like an embedding, that ends with its prefill. */
  readonly outputTokens: number;
  /** The LoRA adapter it runs with; undefined for the base model. */
  readonly adapter?: string | undefined;
  /** Lower runs first if the engine schedules by priority. Default 0. */
  readonly priority?: number | undefined;
  /** True if the second and later tokens are reported one by one. Default false. */
  readonly reportsTokens?: boolean | undefined;
}

export type SubmitResult =
  | { readonly kind: "accepted" }
  | { readonly kind: "rejected"; readonly reason: "queue-full" }
  | {
      readonly kind: "rejected";
      readonly reason: "too-long";
      readonly contextTokensMax: number;
    };

/**
 * An event of a request. `admitted` comes again after each `preempted`; `first-token` comes
 * once, `token` for each later one if asked for, `finished` last.
 */
export interface EngineEvent {
  readonly kind: "admitted" | "preempted" | "first-token" | "token" | "finished";
  readonly id: number;
  readonly atMs: number;
  /** Tokens generated so far. */
  readonly outputTokens: number;
  /** Prompt tokens found in the prefix cache when the request was first admitted. */
  readonly cachedTokens: number;
}

/** The engine's state for its metrics. Totals never decrease. */
export interface EngineSnapshot {
  readonly waitingRequests: number;
  readonly runningRequests: number;
  /** Referenced blocks over all blocks: cached blocks that are not in use do not count. */
  readonly kvUsedRatio: number;
  readonly kvReferencedBlocks: number;
  readonly prefixQueryTokensTotal: number;
  readonly prefixHitTokensTotal: number;
  readonly promptTokensTotal: number;
  readonly outputTokensTotal: number;
  readonly preemptionsTotal: number;
  readonly runningAdapters: readonly string[];
  readonly waitingAdapters: readonly string[];
  /**
   * The adapters of all requests, waiting or running, in the order of the first request of each.
   */
  readonly requestedAdapters: readonly string[];
}

/** The state of an engine that never had any work. */
export const idleSnapshot: EngineSnapshot = Object.freeze({
  waitingRequests: 0,
  runningRequests: 0,
  kvUsedRatio: 0,
  kvReferencedBlocks: 0,
  prefixQueryTokensTotal: 0,
  prefixHitTokensTotal: 0,
  promptTokensTotal: 0,
  outputTokensTotal: 0,
  preemptionsTotal: 0,
  runningAdapters: [],
  waitingAdapters: [],
  requestedAdapters: [],
});
