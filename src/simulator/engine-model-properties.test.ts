import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineEvent, EngineRequest } from "./engine-contract.ts";
import { EngineModel } from "./engine-model.ts";
import type { EngineOptions } from "./engine-options.ts";

/** Small enough that blocks, batch and slots all run short. */
const scarceEngine: Partial<EngineOptions> = {
  prefillTokensPerSecond: 1_000,
  stepTokensMax: 64,
  stepBaseMs: 1,
  runningRequestsMax: 5,
  kvCacheTokensMax: 320,
  loraSlotsMax: 2,
};

const arrival = fc.record({
  gapMs: fc.integer({ min: 0, max: 400 }),
  document: fc.integer({ min: 0, max: 3 }),
  promptTokens: fc.integer({ min: 1, max: 200 }),
  outputTokens: fc.integer({ min: 0, max: 60 }),
  adapter: fc.constantFrom(undefined, undefined, "a", "b", "c"),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

function requestOf(id: number, { document, promptTokens, ...rest }: Arrival): EngineRequest {
  const promptBlocks = Array.from(
    { length: Math.floor(promptTokens / 16) },
    (_, index) => `${rest.adapter}/${document}/${index}`,
  );
  return { id, promptTokens, promptBlocks, ...rest };
}

function drain(model: EngineModel): EngineEvent[] {
  const events: EngineEvent[] = [...model.advance(0)];
  for (let next = model.nextStepAtMs(); next !== undefined; next = model.nextStepAtMs()) {
    events.push(...model.advance(next));
  }
  return events;
}

/** Output tokens of each finished request by id; fails on one that finishes twice. */
function outputsOf(events: readonly EngineEvent[]): Map<number, number> {
  const outputs = new Map<number, number>();
  for (const { kind, id, outputTokens } of events) {
    if (kind !== "finished") continue;
    expect(outputs.has(id)).toBe(false);
    outputs.set(id, outputTokens);
  }
  return outputs;
}

function eventsAtStride(arrivals: readonly Arrival[], strideMs: number): EngineEvent[] {
  const model = new EngineModel(scarceEngine);
  const events: EngineEvent[] = [];
  let nowMs = 0;
  for (const [id, each] of arrivals.entries()) {
    for (let at = nowMs + strideMs; at < nowMs + each.gapMs; at += strideMs) {
      events.push(...model.advance(at));
    }
    nowMs += each.gapMs;
    model.submit(requestOf(id, each), nowMs);
  }
  events.push(...drain(model));
  return events;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

describe("EngineModel under any arrivals", () => {
  it("finishes every request with all of its tokens and counts each once", () => {
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
        const model = new EngineModel(scarceEngine);
        let nowMs = 0;
        for (const [id, each] of arrivals.entries()) {
          nowMs += each.gapMs;
          expect(model.submit(requestOf(id, each), nowMs).kind).toBe("accepted");
        }
        const outputs = outputsOf(drain(model));
        expect(arrivals.map((_, id) => outputs.get(id))).toEqual(
          arrivals.map(({ outputTokens }) => outputTokens),
        );
        expect(model.snapshot()).toMatchObject({
          outputTokensTotal: sum(arrivals.map(({ outputTokens }) => outputTokens)),
          promptTokensTotal: sum(arrivals.map(({ promptTokens }) => promptTokens)),
          prefixQueryTokensTotal: sum(arrivals.map(({ promptTokens }) => promptTokens)),
          kvReferencedBlocks: 0,
          waitingRequests: 0,
          runningRequests: 0,
        });
      }),
      { numRuns: 300 },
    );
  });

  it("leaks nothing when requests are cancelled, and finishes all others", () => {
    const cancels = fc.array(fc.option(fc.nat(30)), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 30 }), cancels, (arrivals, victims) => {
        const model = new EngineModel(scarceEngine);
        const cancelled = new Set<number>();
        let nowMs = 0;
        for (const [id, each] of arrivals.entries()) {
          nowMs += each.gapMs;
          model.submit(requestOf(id, each), nowMs);
          const victim = victims[id] ?? undefined;
          if (victim === undefined) continue;
          model.cancel(victim, nowMs);
          cancelled.add(victim);
        }
        const outputs = outputsOf(drain(model));
        const lost = arrivals.filter((_, id) => !outputs.has(id) && !cancelled.has(id));
        expect(lost).toEqual([]);
        expect(model.snapshot()).toMatchObject({
          kvReferencedBlocks: 0,
          waitingRequests: 0,
          runningRequests: 0,
          runningAdapters: [],
          waitingAdapters: [],
        });
      }),
      { numRuns: 300 },
    );
  });

  it("reports the same events however often it is asked to advance", () => {
    const strides = fc.integer({ min: 1, max: 97 });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 20 }), strides, (arrivals, strideMs) => {
        expect(eventsAtStride(arrivals, strideMs)).toEqual(eventsAtStride(arrivals, 1e9));
      }),
      { numRuns: 100 },
    );
  });
});
