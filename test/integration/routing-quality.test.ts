import { describe, expect, it } from "vitest";
import { pickerDocument, scorersIn } from "../../loadtest/picker-document.ts";
import { adaptersOf, planOf, workloads } from "../../loadtest/routing/workloads.ts";
import { VirtualPool } from "#test/support/virtual-pool.ts";

const lengthMs = 60_000;
const document = pickerDocument(
  "/dev/null",
  scorersIn(
    "queue-scorer=2,kv-cache-utilization-scorer=2,prefix-cache-scorer=3,lora-affinity-scorer=1",
  ),
);

/** Mean seconds to the first token of a workload of single requests. */
function ttftMeanS(name: string, load: number, seed: number): number {
  const workload = workloads[name];
  if (workload === undefined) throw new Error(`no workload ${name}`);
  const requestsPerSecond = load * workload.requestsPerSecondMax;
  const plan = planOf({ workload, requestsPerSecond, lengthMs, seed, traceFile: undefined });
  const pool = new VirtualPool({
    document,
    engines: 8,
    adapters: adaptersOf(workload),
    engineOptions: { runningRequestsMax: 128, blockTokens: 64 },
    seed,
  });
  const ttftsMs: number[] = [];
  for (const { atMs, turns } of plan) {
    const [turn] = turns;
    if (turn !== undefined) pool.send(atMs, turn.body, (ttftMs) => ttftsMs.push(ttftMs));
  }
  pool.runUntil(2 * lengthMs);
  expect(ttftsMs).toHaveLength(plan.length);
  return ttftsMs.reduce((sum, ttftMs) => sum + ttftMs, 0) / ttftsMs.length / 1_000;
}

describe("routing with queue 2, KV cache 2, prefix cache 3, LoRA 1", () => {
  // A cold adapter takes 0.5 s to load and a prompt 0.05 s to compute. A pool that spreads the adapters over more engines
  // than have slots for them takes more than 1 s, and more with each minute.
  it.each([
    { load: 0.43, seed: 1 },
    { load: 0.43, seed: 2 },
    { load: 0.7, seed: 1 },
  ])(
    "keeps 16 adapters on engines with 4 slots at $load of what they take, seed $seed",
    ({ load, seed }) => {
      expect(ttftMeanS("lora", load, seed)).toBeLessThan(0.3);
    },
  );
});
