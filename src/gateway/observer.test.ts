import { expect, it } from "vitest";
import { aDecision, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
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

it("writes down how a decision turned out", () => {
  const ended: unknown[] = [];
  const observer = observerOf({
    registry: new MetricsRegistry(),
    log: createLogger("warn").logger,
    pool: new PoolState(),
    clock: new FakeClock(),
    poolName: "llama",
    rewriteRules: () => [],
    fairnessIdsMax: 1_000,
    decisions: {
      ended: (id, actual) => ended.push([id, actual]),
      undecided: ({ head }) => ended.push([undefined, head.id]),
    },
  });
  const usage = { promptTokens: 100, outputTokens: 5, cachedTokens: 64 };
  const answered = { decision: aDecision({ recordId: 7 }), recordId: 7, usage, servedBy: first };
  const stream = aRequest({ isStreaming: true });
  observer.ended(aRecord({ ...answered, request: stream, lastChunkMs: 1_200 }));
  observer.ended(aRecord(answered));
  observer.ended(aRecord({ decision: undefined, refusal: { code: "saturated", message: "" } }));
  const tokens = { promptTokens: 100, cachedTokens: 64, servedBy: first, end: "complete" };
  expect(ended).toEqual([
    // 1,100 - 1,001, and (1,200 - 1,100)/4
    [7, { ...tokens, ttftMs: 99, tpotMs: 25 }],
    // The first byte of an answer in one piece is no first token.
    [7, { ...tokens, ttftMs: undefined, tpotMs: undefined }],
    // It was shed before a decision.
    [undefined, "request-1"],
  ]);
});
