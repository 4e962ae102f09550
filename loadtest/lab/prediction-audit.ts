import type { RequestHooks } from "../../src/core/data-plane-plugin.ts";
import { planOfCell } from "./cells.ts";
import { policyOf } from "./policies.ts";
import { runOnce } from "../../src/replay/lab/run.ts";
import { defaultSetup } from "../../src/replay/lab/setup.ts";

const lengthMs = 120_000;
/** Until then the model has no more than its prior. */
const learnedMs = 30_000;
const endMs = lengthMs + 600_000;

export interface Audited {
  readonly predictedMs: number;
  readonly ttftMs: number;
}

/** A workload under a load, as shares of capacity. */
export interface AuditedCell {
  readonly workload: string;
  readonly load: number;
  readonly seed: number;
  /** For the workload of a trace. */
  readonly traceFile?: string | undefined;
}

/** The predicted and actual times to first token of a workload under the default policy, 8 engines in virtual time. */
export async function auditOf({
  workload,
  load,
  seed,
  traceFile,
}: AuditedCell): Promise<readonly Audited[]> {
  const audited: Audited[] = [];
  const hooks: RequestHooks = {
    sent: ({ context, decision }) => ({
      firstToken: (atMs) => {
        const { latency } = decision;
        if (context.nowMs < learnedMs || latency === undefined) return;
        audited.push({ predictedMs: latency.ttftMs, ttftMs: atMs - context.nowMs });
      },
    }),
  };
  const cell = {
    workload,
    load,
    seed,
    policies: ["pointsman"],
    setup: defaultSetup,
    lengthMs,
    drainMs: endMs - lengthMs,
    warmUpMs: 0,
    traceFile,
  };
  const audit = { name: "audit", instance: hooks };
  await runOnce({
    plan: planOfCell(cell),
    setup: defaultSetup,
    policy: {
      ...policyOf("pointsman"),
      adapt: (parts) => ({
        ...parts,
        graph: { ...parts.graph, hooks: [...parts.graph.hooks, audit] },
      }),
    },
    seed,
    endMs,
  });
  return audited;
}

/** Mean absolute error of the predictions, as a share of the actual times. */
export function meanErrorOf(audited: readonly Audited[]): number {
  const sum = audited.reduce(
    (total, { predictedMs, ttftMs }) => total + Math.abs(predictedMs - ttftMs) / ttftMs,
    0,
  );
  return sum / audited.length;
}
