import { bounds, runBound } from "./bounds.ts";
import { measuresOf, type Measures } from "../../src/replay/lab/measures.ts";
import { planOf } from "./plan.ts";
import type { Conversation, Plan } from "../../src/replay/lab/conversation.ts";
import { policyOf } from "./policies.ts";
import { runOnce } from "../../src/replay/lab/run.ts";
import type { Setup } from "../../src/replay/lab/setup.ts";
import { readTrace } from "../../src/replay/lab/trace.ts";
import { readWorkload } from "./workload.ts";

/** A workload at a load under every policy, once: plain data, so that it can go to another thread. */
export interface Cell {
  /** A name of the lab's, or the path of a file. */
  readonly workload: string;
  readonly load: number;
  readonly seed: number;
  readonly policies: readonly string[];
  readonly setup: Setup;
  readonly lengthMs: number;
  /** How long answers may take after the last conversation has begun. */
  readonly drainMs: number;
  /** Instead of the workload's. */
  readonly warmUpMs: number | undefined;
  readonly traceFile: string | undefined;
  /** The only objective whose requests are sent; undefined for all requests. */
  readonly onlyObjective?: string | undefined;
}

/** What one policy did with a cell. */
export interface CellResult {
  readonly workload: string;
  readonly load: number;
  readonly engines: number;
  readonly seed: number;
  readonly policy: string;
  readonly measures: Measures;
}

const folder = new URL("workloads/", import.meta.url);

/** The file of a workload that is given by name or by path. */
export function workloadFileOf(name: string): URL | string {
  return /\.ya?ml$/.test(name) ? name : new URL(`${name}.yaml`, folder);
}

export const workloadsFolder = folder;

/** Runs every policy on the same requests. */
export async function runCell(cell: Cell, onResult: (result: CellResult) => void): Promise<void> {
  const { workload: name, load, seed, setup, lengthMs } = cell;
  const { engines } = setup;
  const plan = planOfCell(cell);
  const warmUpMs = warmUpMsOf(cell);
  for (const policyName of cell.policies) {
    const endMs = lengthMs + cell.drainMs;
    const bound = bounds[policyName];
    const record =
      bound === undefined
        ? await runOnce({ plan, setup, policy: policyOf(policyName), seed, endMs })
        : runBound({ plan, setup, bound, endMs });
    const measures = measuresOf(record, setup, warmUpMs);
    onResult({ workload: name, load, engines, seed, policy: policyName, measures });
  }
}

/** What every policy is sent. */
export function planOfCell(cell: Cell): Plan {
  const { workload: name, load, seed, setup, lengthMs, traceFile, onlyObjective } = cell;
  const workload = readWorkload(name, workloadFileOf(name));
  const traceLines =
    "trace" in workload && traceFile !== undefined ? readTrace(traceFile) : undefined;
  const { engines, engineOptions } = setup;
  const { blockTokens } = engineOptions;
  const plan = planOf({ workload, load, engines, lengthMs, seed, blockTokens, traceLines });
  if (onlyObjective === undefined) return plan;
  const isSent = ({ objective }: Conversation) => objective === onlyObjective;
  return { ...plan, conversations: plan.conversations.filter(isSent) };
}

export function warmUpMsOf({ workload: name, warmUpMs }: Cell): number {
  return warmUpMs ?? readWorkload(name, workloadFileOf(name)).warmUpS * 1_000;
}
