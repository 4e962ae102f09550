/** Speed, capacity and scheduling of one simulated engine. */
export interface EngineOptions {
  /** Prompt tokens computed in a second, before the cost of steps. Default 8,000. */
  readonly prefillTokensPerSecond: number;
  /** Tokens one step may compute, decodes and prefill chunks together. Default 2,048. */
  readonly stepTokensMax: number;
  /** Base milliseconds of every step. Default 10. */
  readonly stepBaseMs: number;
  /** Milliseconds added to a step for each sequence that decodes in it. Default 0.2. */
  readonly decodeMsPerSequence: number;
  /**
   * Tokens of one prompt that a step may compute, so that a long prompt leaves budget for others; 0 for
   * no limit. vLLM's `--long-prefill-token-threshold`. Default 0.
   */
  readonly prefillChunkTokensMax: number;
  /** Sequences in the running batch. Default 256. */
  readonly runningRequestsMax: number;
  /** Requests in the waiting queue; beyond it a request is refused. Default 100,000. */
  readonly waitingRequestsMax: number;
  /** Tokens the KV cache holds, which also bounds one request. Default 400,000. */
  readonly kvCacheTokensMax: number;
  /** Tokens in one KV-cache block. Default 16. */
  readonly blockTokens: number;
  /** False for an engine that keeps no blocks for later prompts. Default true. */
  readonly prefixCaching: boolean;
  /**
   * True to run requests in the order of their priority, and to preempt the lowest one. vLLM's
   * `--scheduling-policy priority`. Default false: first come, first served.
   */
  readonly priorityScheduling: boolean;
  /** LoRA adapters the engine can hold at a time. Default 4. */
  readonly loraSlotsMax: number;
  /** Milliseconds to load an adapter into a slot. Default 500. */
  readonly loraLoadMs: number;
  /**
   * Multiplies the duration of every step: 1 as configured, 4 for a quarter of the speed. Default
   * 1.
   */
  readonly slowFactor: number;
}

/**
 * The engine of the routing-quality runs: 8,000 prefill tokens/s, 2,048-token steps, 400,000 tokens
 * of KV cache; block size, batch and LoRA limits as vLLM's defaults or common settings.
 *
 * At this step cost one single stream takes 10.2 ms per token, a batch of 100 takes 30 ms and the
 * full batch of 256 takes 61 ms. So 50 ms per token is crossed at 200 sequences, and a full prefill
 * chunk takes 256 + 10 ms. That is the range of an 8 B to 14 B model on one data-centre GPU.
 */
export const defaultEngineOptions: EngineOptions = Object.freeze({
  prefillTokensPerSecond: 8_000,
  stepTokensMax: 2_048,
  stepBaseMs: 10,
  decodeMsPerSequence: 0.2,
  prefillChunkTokensMax: 0,
  runningRequestsMax: 256,
  waitingRequestsMax: 100_000,
  kvCacheTokensMax: 400_000,
  blockTokens: 16,
  prefixCaching: true,
  priorityScheduling: false,
  loraSlotsMax: 4,
  loraLoadMs: 500,
  slowFactor: 1,
});

/** Number of whole KV-cache blocks of an engine. */
export function kvBlocksOf(options: EngineOptions): number {
  return Math.floor(options.kvCacheTokensMax / options.blockTokens);
}

/** Prompt and output tokens one request may have together. */
export function contextTokensMaxOf(options: EngineOptions): number {
  return kvBlocksOf(options) * options.blockTokens;
}
