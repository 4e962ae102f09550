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
  priority: fc.integer({ min: -1, max: 1 }),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

/** Engines that schedule in the ways there are. */
const variant = fc.record({
  priorityScheduling: fc.boolean(),
  prefixCaching: fc.boolean(),
  prefillChunkTokensMax: fc.constantFrom(0, 1, 24),
  stepTokensMax: fc.constantFrom(3, 64, 500),
});

/** The chain of a document's blocks, which goes on over the answer. */
function requestOf(id: number, { document, promptTokens, ...rest }: Arrival): EngineRequest {
  const chain = Array.from(
    { length: Math.floor((promptTokens + rest.outputTokens) / 16) },
    (_, index) => `${rest.adapter}/${document}/${index}`,
  );
  const promptBlocks = chain.splice(0, Math.floor(promptTokens / 16));
  return { id, promptTokens, promptBlocks, outputBlocks: chain, ...rest };
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

type Variant = typeof variant extends fc.Arbitrary<infer T> ? T : never;

interface Stride {
  readonly strideMs: number;
  readonly options: Variant;
}

function eventsAtStride(
  arrivals: readonly Arrival[],
  { strideMs, options }: Stride,
): EngineEvent[] {
  const model = new EngineModel({ ...scarceEngine, ...options });
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
      fc.property(fc.array(arrival, { maxLength: 40 }), variant, (arrivals, options) => {
        const model = new EngineModel({ ...scarceEngine, ...options });
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
          prefixQueryTokensTotal: options.prefixCaching
            ? sum(arrivals.map(({ promptTokens }) => promptTokens))
            : 0,
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
      fc.property(fc.array(arrival, { maxLength: 30 }), cancels, variant, (...drawn) => {
        const [arrivals, victims, options] = drawn;
        const model = new EngineModel({ ...scarceEngine, ...options });
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
      fc.property(fc.array(arrival, { maxLength: 20 }), strides, variant, (...drawn) => {
        const [arrivals, strideMs, options] = drawn;
        expect(eventsAtStride(arrivals, { strideMs, options })).toEqual(
          eventsAtStride(arrivals, { strideMs: 1e9, options }),
        );
      }),
      { numRuns: 100 },
    );
  });

  it("keeps its limits in every step, and counts every request as waiting or running", () => {
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 30 }), variant, (arrivals, options) => {
        const model = new EngineModel({ ...scarceEngine, ...options });
        for (const [id, each] of arrivals.entries()) model.submit(requestOf(id, each), 0);
        let unfinished = arrivals.length;
        for (let at = model.nextStepAtMs(); at !== undefined; at = model.nextStepAtMs()) {
          const ended = model.advance(at).filter(({ kind }) => kind === "finished");
          unfinished -= ended.length;
          const { waitingRequests, runningRequests, ...rest } = model.snapshot();
          expect(waitingRequests + runningRequests).toBe(unfinished);
          expect(runningRequests).toBeLessThanOrEqual(5);
          expect(rest.kvReferencedBlocks).toBeLessThanOrEqual(20);
          expect(rest.runningAdapters.length).toBeLessThanOrEqual(2);
        }
        expect(unfinished).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it("hits exactly what an endless cache holds of a conversation", () => {
    const turns = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 60 })),
      {
        minLength: 1,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(turns, (conversation) => {
        const model = new EngineModel({ kvCacheTokensMax: 16_000 });
        let promptTokens = 0;
        let computedTokens = 0;
        for (const [id, [addedTokens, outputTokens]] of conversation.entries()) {
          promptTokens += addedTokens;
          const turn = { document: 0, promptTokens, outputTokens, adapter: undefined, gapMs: 0 };
          model.submit(requestOf(id, { ...turn, priority: 0 }), id * 1e6);
          const cachedTokens = drain(model).at(-1)?.cachedTokens;
          // Full blocks of what was computed before, and never the whole prompt.
          const expected = Math.min(computedTokens, promptTokens - 1);
          expect(cachedTokens).toBe(Math.floor(expected / 16) * 16);
          promptTokens += outputTokens;
          computedTokens = promptTokens - 1;
        }
      }),
      { numRuns: 200 },
    );
  });
});
