import type { EngineOptions } from "./engine-options.ts";
import { isDecoding, type Sequence } from "./sequence.ts";

/** Work of the step that is being put together. */
export interface Step {
  readonly atMs: number;
  /** Tokens that may still be scheduled. */
  budget: number;
  prefillTokens: number;
  /** Sequences that decode. */
  decoding: number;
  hasPreempted: boolean;
}

/** Gives a sequence its tokens of the step. */
export function take(sequence: Sequence, tokens: number, step: Step): void {
  sequence.stepTokens = tokens;
  step.budget -= tokens;
  if (tokens === 1 && isDecoding(sequence)) step.decoding += 1;
  else step.prefillTokens += tokens;
}

/** Undoes `take` for a sequence that is preempted in the same step. */
export function giveBack(sequence: Sequence, step: Step): void {
  const tokens = sequence.stepTokens;
  if (tokens === 0) return;
  sequence.stepTokens = 0;
  step.budget += tokens;
  if (isDecoding(sequence)) step.decoding -= 1;
  else step.prefillTokens -= tokens;
}

/** Milliseconds that the step lasts. */
export function stepMsOf(options: EngineOptions, { prefillTokens, decoding }: Step): number {
  const prefillMs = (prefillTokens / options.prefillTokensPerSecond) * 1_000;
  const decodeMs = decoding * options.decodeMsPerSequence;
  return (prefillMs + options.stepBaseMs + decodeMs) * options.slowFactor;
}
