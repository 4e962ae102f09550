import { expect, it } from "vitest";
import { aRequest } from "#test/support/builders.ts";
import { valueOf } from "#test/support/metrics.ts";
import { aFlowPlan, QueueRig } from "#test/support/queue-rig.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { FlowMetrics } from "./flow-metrics.ts";

const size = (fairnessId: string, model: string) =>
  `llm_d_epp_flow_control_queue_size{fairness_id="${fairnessId}",priority="0",inference_pool="p",model_name="${model}",target_model_name="${model}"}`;

/** A request of a flow that waits, as the metrics see it. */
const waiting = (fairnessId: string, model = "m") => ({
  request: aRequest({ model }),
  fairnessId,
  receivedMs: 0,
  enqueuedMs: 0,
  ttlMs: 1,
  ownMs: Number.NaN,
  sequence: 0,
});

function measured(fairnessIdsMax: number) {
  const registry = new MetricsRegistry();
  const time = { nowMs: 0 };
  const { flow } = new QueueRig({ plan: aFlowPlan() });
  const metrics = new FlowMetrics({
    registry,
    poolName: "p",
    fairnessIdsMax,
    flow: () => flow,
    nowMs: () => time.nowMs,
    onFailed: () => undefined,
  });
  return { registry, metrics, time };
}

const end = { outcome: "Dispatched", waitedMs: 1 } as const;

it("counts the end of a wait where its entry was counted, even if its labels have room by then", async () => {
  const { registry, metrics, time } = measured(2);
  const [first, second, folded] = [waiting("first"), waiting("second"), waiting("third")];
  for (const each of [first, second, folded]) metrics.entered(each, 0, 0);
  expect(await valueOf(registry, size("other", "other"))).toBe(1);
  for (const each of [first, second]) metrics.left(each, 0, end);
  time.nowMs = 300_000;
  // The scrape drops the series of idle flows.
  expect(await valueOf(registry, size("first", "m"))).toBeUndefined();
  metrics.left(folded, 0, end);
  expect(await valueOf(registry, size("other", "other"))).toBe(0);
  expect(await valueOf(registry, size("third", "m"))).toBeUndefined();
});

it("has a bound on its series for a client that calls itself other, too", async () => {
  const { registry, metrics } = measured(1);
  metrics.entered(waiting("first"), 0, 0);
  for (let index = 0; index < 5; index += 1) metrics.entered(waiting("other", `m${index}`), 0, 0);
  expect(await valueOf(registry, size("other", "other"))).toBe(5);
  expect(await valueOf(registry, size("other", "m0"))).toBeUndefined();
});
