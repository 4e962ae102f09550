import { describe, expect, it } from "vitest";
import { peerScorers, pickerDocument, scorersIn } from "../../loadtest/picker-document.ts";
import { planOf as chatsOf } from "../../loadtest/reliability/plan.ts";
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

/** Milliseconds that 99 of 100 first tokens take at most while one of eight engines with small batches is four times slower. */
function ttftP99Ms(seed: number): number {
  const pool = new VirtualPool({
    document: pickerDocument("/dev/null", scorersIn(peerScorers)),
    engines: 8,
    adapters: [],
    engineOptions: {
      runningRequestsMax: 8,
      stepBaseMs: 30,
      decodeMsPerSequence: 0.5,
      prefillTokensPerSecond: 8_000,
      kvCacheTokensMax: 60_000,
    },
    seed,
  });
  const ttftsMs: number[] = [];
  for (const { atMs, body } of chatsOf({ seed, requestsPerSecond: 60, lengthMs: 20_000 })) {
    pool.send(atMs, body, (ttftMs) => atMs >= 10_000 && ttftsMs.push(ttftMs));
  }
  pool.change(10_000, 4, { slowFactor: 4 });
  pool.runUntil(40_000);
  return ttftsMs.toSorted((a, b) => a - b)[Math.floor(0.99 * ttftsMs.length)] ?? Number.NaN;
}

describe("routing with the default document", () => {
  // Health is off here. With the published range of queues it is 530 to 650 ms.
  it.each([1, 2, 3, 4])("leaves an engine alone that has become slow, seed %d", (seed) => {
    expect(ttftP99Ms(seed)).toBeLessThan(800);
  });
});

const ownDocument = JSON.stringify({
  apiVersion: "pointsman.dev/v1alpha1",
  kind: "EndpointPickerConfig",
});

/** Mean milliseconds to the first tokens of the second half of a minute, if one of eight engines has become this slow. */
function ttftMeanMs(slowFactor: number, fromMs: number): number {
  const engineOptions = { prefillTokensPerSecond: 8_000, runningRequestsMax: 32 };
  const pool = new VirtualPool({
    ...{ document: ownDocument, engines: 8, adapters: [], engineOptions, seed: 1 },
  });
  const ttftsMs: number[] = [];
  for (const { atMs, body } of chatsOf({ seed: 1, requestsPerSecond: 60, lengthMs: 90_000 })) {
    pool.send(atMs, body, (ttftMs) => atMs >= 60_000 && ttftsMs.push(ttftMs));
  }
  pool.change(fromMs, 4, { slowFactor });
  pool.runUntil(120_000);
  return ttftsMs.reduce((sum, ttftMs) => sum + ttftMs, 0) / ttftsMs.length;
}

describe("the default policy", () => {
  it.each([4, 20, 0.05])(
    "knows half a minute later that an engine takes %d times as long",
    (slowFactor) => {
      const known = ttftMeanMs(slowFactor, 0);
      expect(ttftMeanMs(slowFactor, 30_000)).toBeLessThan(1.1 * known);
    },
  );
});
