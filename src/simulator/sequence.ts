import type { EngineRequest } from "./engine-contract.ts";
import type { Waiting } from "./waiting-queues.ts";

/** A request inside the engine model, waiting or running. */
export interface Sequence extends Waiting<Sequence> {
  readonly request: EngineRequest;
  phase: "waiting" | "prefill" | "decode" | "gone";
  blocks: number[];
  computedTokens: number;
  outputTokens: number;
  /** Tokens the step under way computes for it. */
  stepTokens: number;
  /** Undefined until it is first admitted. */
  cachedTokens: number | undefined;
  /** Free blocks that its last failed admission needed; with fewer a retry is useless. */
  freeBlocksMin: number;
}

export function sequenceOf(request: EngineRequest, order: number): Sequence {
  return {
    previous: undefined,
    next: undefined,
    request,
    order,
    adapter: request.adapter,
    phase: "waiting",
    blocks: [],
    computedTokens: 0,
    outputTokens: 0,
    stepTokens: 0,
    cachedTokens: undefined,
    freeBlocksMin: 0,
  };
}

/** Tokens that must be computed before the next one can be generated. */
export function contextTokensOf(sequence: Sequence): number {
  return sequence.request.promptTokens + sequence.outputTokens;
}
