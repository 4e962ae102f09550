import { planOf } from "../lab/plan.ts";
import { workloadFileOf } from "../lab/cells.ts";
import type { TraceLine } from "../../src/replay/lab/trace.ts";
import { readWorkload } from "../lab/workload.ts";

/** Time of a request in an engine, for the times of later turns: it needs no more than the right order. */
const firstTokenMs = 500;
const perTokenMs = 20;

/** A prompt at its time. */
export interface TimedPrompt {
  readonly atMs: number;
  readonly tokens: number;
  readonly model: string;
  /** Numbers of its full blocks: equal numbers are equal prefixes. */
  readonly blocks: readonly number[];
}

export interface PromptsOptions {
  readonly workload: string;
  readonly engines: number;
  readonly lengthMs: number;
  readonly seed: number;
  readonly blockTokens: number;
  readonly traceLines: readonly TraceLine[] | undefined;
}

/** The prompts of a workload of the lab at its full rate, in the order of their times. */
export function promptsOf(options: PromptsOptions): readonly TimedPrompt[] {
  const workload = readWorkload(options.workload, workloadFileOf(options.workload));
  const plan = planOf({ ...options, workload, load: 1 });
  return plan.conversations
    .flatMap(({ atMs: startMs, turns, adapter = "base" }) => {
      let atMs = startMs;
      return turns.map(({ prompt, outputTokens, thinkMs }) => {
        atMs += thinkMs;
        const sentMs = atMs;
        atMs += firstTokenMs + outputTokens * perTokenMs;
        const { tokens } = prompt;
        return { atMs: sentMs, tokens, model: adapter, blocks: prompt.blocks() };
      });
    })
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** Two words for each block. They stand for numbers as well as those of a hash do (the finalizer of MurmurHash3). */
export function chainOf(blocks: readonly number[]): Uint32Array {
  return Uint32Array.from(blocks.flatMap((block) => [spread(block), spread(block ^ 0x5bd1_e995)]));
}

function spread(number: number): number {
  let hash = Math.imul(number ^ (number >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
