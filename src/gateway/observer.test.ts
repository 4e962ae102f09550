import { expect, it } from "vitest";
import { aDecision, anEndpoint, aRecord } from "#test/support/builders.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { valueOf } from "#test/support/metrics.ts";
import type { RequestRecord } from "../core/request-record.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { observerOf } from "./observer.ts";
import { PoolState } from "../state/pool-state.ts";
import { createLogger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";

const [first, fallback, elsewhere] = [0, 1, 2].map((slot) => anEndpoint({ slot }).hostPort);
const decision = aDecision({
  endpoints: [anEndpoint({ slot: 0 }), anEndpoint({ slot: 1 })],
});

const cases: readonly { what: string; parts: Partial<RequestRecord>; count: number }[] = [
  { what: "the endpoint picked", parts: { decision, servedBy: first }, count: 0 },
  { what: "a fallback in the list", parts: { decision, servedBy: fallback }, count: 0 },
  { what: "an endpoint outside the list", parts: { decision, servedBy: elsewhere }, count: 1 },
  {
    what: "an endpoint that the proxy does not name",
    parts: { decision, servedBy: undefined },
    count: 0,
  },
  {
    what: "an endpoint without a decision",
    parts: { decision: undefined, servedBy: first },
    count: 0,
  },
];

it.each(cases)("a response from $what is $count times served elsewhere", async (sample) => {
  const registry = new MetricsRegistry();
  const observer = observerOf({
    registry,
    log: createLogger("warn").logger,
    pool: new PoolState(),
    clock: new FakeClock(),
    poolName: "llama",
    rewriteRules: () => [],
    fairnessIdsMax: 1_000,
    decisions: new DecisionLog(),
  });
  observer.ended(aRecord(sample.parts));
  expect(await valueOf(registry, "pointsman_served_elsewhere_total")).toBe(sample.count);
});
