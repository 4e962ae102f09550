import { expect, it } from "vitest";
import { planOfCell } from "../../loadtest/lab/cells.ts";
import { policyOf } from "../../loadtest/lab/policies.ts";
import { runOnce } from "../../loadtest/lab/run.ts";
import { defaultSetup } from "../../loadtest/lab/setup.ts";
import type { RequestHooks } from "../../src/core/data-plane-plugin.ts";

const lengthMs = 120_000;
/** Until then the model has no more than its prior. */
const learnedMs = 30_000;
const endMs = lengthMs + 600_000;

interface Audited {
  readonly predictedMs: number;
  readonly ttftMs: number;
}

/** The predicted and actual times to first token of a workload under the default policy, 8 engines in virtual time. */
async function auditOf(workload: string, load: number, seed: number): Promise<readonly Audited[]> {
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
    traceFile: undefined,
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

function meanErrorOf(audited: readonly Audited[]): number {
  const sum = audited.reduce(
    (total, { predictedMs, ttftMs }) => total + Math.abs(predictedMs - ttftMs) / ttftMs,
    0,
  );
  return sum / audited.length;
}

// Requests that arrive during a step share the next one, and delay each other: no prediction can know of later ones.
it.each([
  { workload: "groups", load: 0.85, most: 0.08 },
  { workload: "unique", load: 0.85, most: 0.08 },
  { workload: "mixed", load: 0.85, most: 0.12 },
  { workload: "lora", load: 0.7, most: 0.13 },
  { workload: "chat", load: 0.7, most: 0.15 },
  { workload: "agents", load: 0.7, most: 0.15 },
])(
  "predicts the time to first token of $workload at $load within $most on average",
  async ({ workload, load, most }) => {
    const audited = await auditOf(workload, load, 1);
    expect(audited.length).toBeGreaterThan(500);
    expect(meanErrorOf(audited)).toBeLessThan(most);
  },
  60_000,
);
