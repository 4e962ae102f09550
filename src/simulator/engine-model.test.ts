import { describe, expect, it } from "vitest";
import type { EngineEvent, EngineRequest } from "./engine-contract.ts";
import { EngineModel } from "./engine-model.ts";
import type { EngineOptions } from "./engine-options.ts";

const blockTokens = 16;

/** A request whose prompt is `promptTokens` of the document called `document`. */
function aRequest(
  id: number,
  promptTokens: number,
  more: Partial<EngineRequest> & { readonly document?: string } = {},
): EngineRequest {
  const { document = `document-${id}`, ...rest } = more;
  const promptBlocks = Array.from(
    { length: Math.floor(promptTokens / blockTokens) },
    (_, index) => `${document}/${index}`,
  );
  return { id, promptTokens, promptBlocks, outputTokens: 1, ...rest };
}

/** A turn of a conversation: its answer continues its prompt's document. */
function aTurn(
  id: number,
  promptTokens: number,
  more: Partial<EngineRequest> & { readonly document?: string } = {},
): EngineRequest {
  const { document = `document-${id}`, outputTokens = 1 } = more;
  const first = Math.floor(promptTokens / blockTokens);
  const last = Math.floor((promptTokens + outputTokens) / blockTokens);
  const outputBlocks = Array.from({ length: last - first }, (_, index) => {
    return `${document}/${first + index}`;
  });
  return { ...aRequest(id, promptTokens, more), outputBlocks };
}

/** Runs the model until it has nothing left to do. */
function drain(model: EngineModel): EngineEvent[] {
  const events: EngineEvent[] = [...model.advance(0)];
  for (let next = model.nextStepAtMs(); next !== undefined; next = model.nextStepAtMs()) {
    events.push(...model.advance(next));
  }
  return events;
}

function atMs(events: readonly EngineEvent[], kind: EngineEvent["kind"], id: number): number {
  return events.find((event) => event.kind === kind && event.id === id)?.atMs ?? Number.NaN;
}

function kindsOf(events: readonly EngineEvent[], id: number): string[] {
  return events.flatMap((event) => (event.id === id ? [event.kind] : []));
}

/** 1,000 tokens/s, 100-token steps and no other cost, so that a token of prompt takes 1 ms. */
const plainEngine: Partial<EngineOptions> = {
  prefillTokensPerSecond: 1_000,
  stepTokensMax: 100,
  stepBaseMs: 0,
  decodeMsPerSequence: 0,
};

describe("prefill", () => {
  it("takes a prompt in chunks at the prefill rate plus the base cost of each step", () => {
    const model = new EngineModel();
    model.submit(aRequest(1, 8_000), 0);
    // 8,000 / 8,000 s in chunks of 2,048, 2,048, 2,048 and 1,856: 1,000 + 4 * 10 ms.
    expect(atMs(drain(model), "first-token", 1)).toBeCloseTo(1_040, 6);
  });

  it("serves prompts first come, first served", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 250), 0);
    model.submit(aRequest(2, 30), 10);
    const events = drain(model);
    // Steps: 100 of A, 100 of A, then 50 of A with 30 of B in one step of 80 ms.
    expect(atMs(events, "first-token", 1)).toBeCloseTo(280, 6);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(280, 6);
    expect(atMs(events, "admitted", 2)).toBeCloseTo(200, 6);
  });

  it("slows down by the slow factor", () => {
    const model = new EngineModel({ ...plainEngine, slowFactor: 3 });
    model.submit(aRequest(1, 100), 0);
    expect(atMs(drain(model), "first-token", 1)).toBeCloseTo(300, 6);
  });

  it("ends a request without output when its prompt is computed", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 50, { outputTokens: 0 }), 0);
    expect(kindsOf(drain(model), 1)).toEqual(["admitted", "finished"]);
    expect(model.snapshot().outputTokensTotal).toBe(0);
  });
});

describe("the order of a step", () => {
  it("keeps a request waiting until a step has budget for it", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 250), 0);
    model.submit(aRequest(2, 60), 0);
    const seen = [0, 100, 200, 280].map((nowMs) => {
      model.advance(nowMs);
      const { waitingRequests, runningRequests } = model.snapshot();
      return [waitingRequests, runningRequests];
    });
    // Steps of A: 100, 100, then 50 with 50 of B, then 10 of B.
    expect(seen).toEqual([
      [1, 1],
      [1, 1],
      [0, 2],
      [0, 2],
    ]);
  });

  it("serves running requests in the order of admission, whether they decode or not", () => {
    const model = new EngineModel({ ...plainEngine, stepTokensMax: 10, prefillChunkTokensMax: 9 });
    model.submit(aRequest(1, 36), 0);
    model.submit(aRequest(2, 1, { outputTokens: 9 }), 0);
    model.submit(aRequest(3, 1, { outputTokens: 9 }), 0);
    const events = drain(model);
    // Four steps of 10 ms: 9 tokens of A's prompt, then B's prompt and its decodes. C gets none of them.
    expect(atMs(events, "first-token", 1)).toBeCloseTo(9 + 9 + 9 + 10, 6);
    expect(atMs(events, "admitted", 3)).toBeCloseTo(37, 6);
  });

  it("leaves budget beside a long prompt if its chunks are limited", () => {
    const model = new EngineModel({ ...plainEngine, prefillChunkTokensMax: 60 });
    model.submit(aRequest(1, 180), 0);
    model.submit(aRequest(2, 40), 0);
    const events = drain(model);
    // Steps of 60 of A, of 60 of A with all 40 of B, and of 60 of A.
    expect(atMs(events, "first-token", 2)).toBeCloseTo(160, 6);
    expect(atMs(events, "first-token", 1)).toBeCloseTo(220, 6);
  });
});

describe("decode", () => {
  it("costs each step its base and a share for each sequence", () => {
    const model = new EngineModel({ ...plainEngine, stepBaseMs: 10, decodeMsPerSequence: 2 });
    model.submit(aRequest(1, 50, { outputTokens: 3, reportsTokens: true }), 0);
    model.submit(aRequest(2, 50, { outputTokens: 3 }), 0);
    const events = drain(model);
    // 50 + 10 for prompt A; then A decodes while B is computed: 50 + 10 + 2.
    expect(atMs(events, "first-token", 1)).toBeCloseTo(60, 6);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(122, 6);
    // Then both decode, 10 + 2 * 2, and B alone, 10 + 2.
    expect(atMs(events, "finished", 1)).toBeCloseTo(136, 6);
    expect(atMs(events, "finished", 2)).toBeCloseTo(148, 6);
    expect(kindsOf(events, 1)).toEqual(["admitted", "first-token", "token", "token", "finished"]);
    expect(kindsOf(events, 2)).toEqual(["admitted", "first-token", "finished"]);
  });

  it("leaves prefill what the decodes do not take of the step's budget", () => {
    const model = new EngineModel({ ...plainEngine, stepTokensMax: 10 });
    model.submit(aRequest(1, 10, { outputTokens: 100 }), 0);
    model.submit(aRequest(2, 18), 0);
    // 10 ms for A, then two steps of 9 tokens next to A's decode: 9 + 9 ms.
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(28, 6);
  });
});

describe("cancellation", () => {
  it("ends a request in the middle of its step without further events", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 50), 0);
    model.submit(aRequest(2, 50), 0);
    model.cancel(1, 20);
    expect(model.snapshot()).toMatchObject({ runningRequests: 0, waitingRequests: 1 });
    const events = drain(model);
    expect(kindsOf(events, 1)).toEqual(["admitted"]);
    // The step that was under way still takes its 50 ms.
    expect(atMs(events, "finished", 2)).toBeCloseTo(100, 6);
    expect(model.snapshot()).toMatchObject({ outputTokensTotal: 1, runningRequests: 0 });
  });
});

describe("limits", () => {
  it("runs no more sequences than its batch holds", () => {
    const model = new EngineModel({ ...plainEngine, runningRequestsMax: 1 });
    model.submit(aRequest(1, 50), 0);
    model.submit(aRequest(2, 50), 0);
    expect(model.snapshot()).toMatchObject({ runningRequests: 1, waitingRequests: 1 });
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(100, 6);
  });

  it("refuses a request that could never fit", () => {
    const model = new EngineModel({ kvCacheTokensMax: 160 });
    expect(model.submit(aRequest(1, 150, { outputTokens: 10 }), 0).kind).toBe("accepted");
    expect(model.submit(aRequest(2, 151, { outputTokens: 10 }), 0)).toEqual({
      kind: "rejected",
      reason: "too-long",
      contextTokensMax: 160,
    });
  });

  it("refuses requests when its queue is full", () => {
    const model = new EngineModel({ runningRequestsMax: 1, waitingRequestsMax: 1 });
    const results = [1, 2, 3].map((id) => model.submit(aRequest(id, 50), 0));
    expect(results[1]).toEqual({ kind: "accepted" });
    expect(results[2]).toEqual({ kind: "rejected", reason: "queue-full" });
  });

  it("applies new options from the next step on", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 200), 0);
    model.reconfigure({ ...model.options, slowFactor: 2 }, 50);
    // The step under way keeps its 100 ms; the next 100 tokens take 200 ms.
    expect(atMs(drain(model), "first-token", 1)).toBeCloseTo(300, 6);
  });
});

describe("prefix cache", () => {
  it("skips the computation of the blocks it holds", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 90, { document: "d" }), 0);
    drain(model);
    model.submit(aRequest(2, 95, { document: "d" }), 1_000);
    const events = drain(model);
    // 90 tokens filled 5 blocks, so 80 tokens are cached and 15 are left to compute.
    expect(atMs(events, "first-token", 2)).toBeCloseTo(1_015, 6);
    expect(events.at(-1)?.cachedTokens).toBe(80);
    expect(model.snapshot()).toMatchObject({
      prefixQueryTokensTotal: 90 + 95,
      prefixHitTokensTotal: 80,
    });
  });

  it("computes the last block again when it holds the whole prompt", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 64, { document: "d" }), 0);
    drain(model);
    model.submit(aRequest(2, 64, { document: "d" }), 1_000);
    const events = drain(model);
    expect(events.at(-1)?.cachedTokens).toBe(48);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(1_016, 6);
  });

  it.each([
    // 100 + 60 - 1 = 159 tokens are computed: 9 blocks.
    ["all of the answer that was computed", [100, 60, 200], 144],
    // 90 + 8 - 1 = 97 tokens: 6 blocks.
    ["a block that spans prompt and answer", [90, 8, 120], 96],
    // 90 + 6 - 1 = 95 tokens: 5 blocks.
    ["no block that the last token fills, as it is never computed", [90, 6, 120], 80],
  ])("hits in the next turn %s", (_, tokens, cachedTokens) => {
    const [promptTokens = 0, outputTokens = 0, nextTokens = 0] = tokens;
    const model = new EngineModel(plainEngine);
    model.submit(aTurn(1, promptTokens, { document: "d", outputTokens }), 0);
    drain(model);
    model.submit(aTurn(2, nextTokens, { document: "d" }), 1_000);
    const events = drain(model);
    expect(events.at(-1)?.cachedTokens).toBe(cachedTokens);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(1_000 + nextTokens - cachedTokens, 6);
  });

  it("hits nothing of an answer whose hashes are unknown", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 90, { document: "d", outputTokens: 60 }), 0);
    drain(model);
    model.submit(aTurn(2, 200, { document: "d" }), 1_000);
    expect(drain(model).at(-1)?.cachedTokens).toBe(80);
  });

  it("ignores the hash of a partial block at the prompt's end when the answer fills it", () => {
    const model = new EngineModel(plainEngine);
    const promptBlocks = ["d/0", "partial"];
    model.submit({ id: 1, promptTokens: 20, promptBlocks, outputTokens: 30 }, 0);
    drain(model);
    model.submit({ id: 2, promptTokens: 40, promptBlocks, outputTokens: 1 }, 1_000);
    expect(drain(model).at(-1)?.cachedTokens).toBe(16);
  });

  it("keeps nothing without prefix caching", () => {
    const model = new EngineModel({ ...plainEngine, prefixCaching: false });
    model.submit(aTurn(1, 90, { document: "d", outputTokens: 30 }), 0);
    drain(model);
    model.submit(aTurn(2, 90, { document: "d" }), 1_000);
    const events = drain(model);
    expect(events.at(-1)?.cachedTokens).toBe(0);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(1_090, 6);
    expect(model.snapshot()).toMatchObject({ prefixQueryTokensTotal: 0, prefixHitTokensTotal: 0 });
  });

  it("shares a prefix between sequences that run together", () => {
    const model = new EngineModel({ ...plainEngine, kvCacheTokensMax: 160 });
    model.submit(aRequest(1, 64, { document: "d", outputTokens: 50 }), 0);
    model.submit(aRequest(2, 70, { document: "d", outputTokens: 5 }), 1);
    model.advance(64);
    // 4 blocks are shared and the second sequence adds 1: 5 of 10. The first decode adds 1.
    expect(model.snapshot()).toMatchObject({ runningRequests: 2, kvUsedRatio: 0.6 });
  });

  it("counts unused cached blocks as free", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 90), 0);
    expect(model.snapshot().kvReferencedBlocks).toBe(6);
    drain(model);
    expect(model.snapshot().kvUsedRatio).toBe(0);
  });

  it("evicts the least recently used prefix first", () => {
    // 10 blocks: documents a and b of 4 each, a used again, then c with 4 displaces 2 of b.
    const model = new EngineModel({ ...plainEngine, kvCacheTokensMax: 160 });
    const cached = ["a", "b", "a", "c", "a", "b"].map((document, index) => {
      model.submit(aRequest(index, 65, { document, outputTokens: 0 }), index * 1_000);
      return drain(model).at(-1)?.cachedTokens;
    });
    // 65 tokens take 5 blocks, 4 of them hashed. c takes 2 free ones and 3 of b's 4.
    expect(cached).toEqual([0, 0, 64, 0, 64, 16]);
  });
});

describe("block shortage", () => {
  it("takes a prompt's blocks chunk by chunk", () => {
    const model = new EngineModel(plainEngine);
    model.submit(aRequest(1, 250), 0);
    const referenced = [0, 100, 200].map((nowMs) => {
      model.advance(nowMs);
      return model.snapshot().kvReferencedBlocks;
    });
    // 100, 200 and 250 tokens in blocks of 16.
    expect(referenced).toEqual([7, 13, 16]);
  });

  it("preempts the last running request for a chunk of an earlier one", () => {
    // B is admitted with A's second chunk, while the blocks for A's third one are still free.
    const model = new EngineModel({
      ...plainEngine,
      kvCacheTokensMax: 160,
      prefillChunkTokensMax: 50,
    });
    model.submit(aRequest(1, 150), 0);
    model.submit(aRequest(2, 30, { outputTokens: 5 }), 0);
    const events = drain(model);
    expect(kindsOf(events, 1)).toEqual(["admitted", "first-token", "finished"]);
    expect(kindsOf(events, 2)).toEqual([
      "admitted",
      "first-token",
      "preempted",
      "admitted",
      "finished",
    ]);
    // At 50 + 80 ms A has 7 of 10 blocks and B 2; A needs 3 more. A ends 50 ms later.
    expect(atMs(events, "preempted", 2)).toBeCloseTo(130, 6);
    expect(events.findLast(({ kind }) => kind === "admitted")?.atMs).toBeCloseTo(180, 6);
  });

  it("starts a preempted request again before those that wait", () => {
    const model = new EngineModel({ ...plainEngine, kvCacheTokensMax: 96 });
    model.submit(aRequest(1, 47, { outputTokens: 40 }), 0);
    model.submit(aRequest(2, 47, { outputTokens: 40 }), 0);
    model.submit(aRequest(3, 10), 0);
    const admitted = drain(model).flatMap(({ kind, id }) => (kind === "admitted" ? [id] : []));
    expect(admitted).toEqual([1, 2, 2, 3]);
  });

  it("computes of a preempted request only what is no longer cached, answer included", () => {
    const model = new EngineModel({ ...plainEngine, stepBaseMs: 1, kvCacheTokensMax: 160 });
    model.submit(aTurn(1, 47, { outputTokens: 60 }), 0);
    model.submit(aTurn(2, 47, { outputTokens: 60 }), 0);
    const events = drain(model);
    // A, one step ahead, has 80 tokens in 5 blocks and B 79. For its 81st, A takes B's last block.
    const preempted = events.find(({ kind }) => kind === "preempted");
    expect(preempted?.outputTokens).toBe(33);
    // A's seventh block, the last one, was B's fourth. So B has 3 blocks of 16 left of 80 tokens, which takes
    // 32 + 1 ms, and 26 tokens at 1 ms to go.
    const started = events.findLast(({ kind, id }) => kind === "admitted" && id === 2);
    expect(atMs(events, "finished", 2) - (started?.atMs ?? 0)).toBeCloseTo(33 + 26, 6);
  });

  it("admits a request that lacked blocks once another has cached its prefix", () => {
    const model = new EngineModel({
      ...plainEngine,
      stepTokensMax: 48,
      prefillChunkTokensMax: 24,
      kvCacheTokensMax: 112,
    });
    model.submit(aRequest(0, 10), 0);
    model.submit(aRequest(1, 72, { document: "d" }), 5);
    model.submit(aRequest(2, 100, { document: "d" }), 5);
    const events = drain(model);
    // At 10 ms A has 24 tokens, so 2 of 7 blocks, 1 of them full, and B needs 7 - 1. At 34 ms A has 48 tokens
    // in 3 full blocks, and B needs the 4 that are left.
    expect(atMs(events, "admitted", 2)).toBeCloseTo(34, 6);
    expect(events.find(({ kind, id }) => kind === "finished" && id === 2)?.cachedTokens).toBe(48);
  });

  it("keeps a prompt waiting until all of its blocks are free", () => {
    const model = new EngineModel({ ...plainEngine, kvCacheTokensMax: 160 });
    model.submit(aRequest(1, 80, { outputTokens: 1 }), 0);
    model.submit(aRequest(2, 90), 0);
    expect(model.snapshot()).toMatchObject({ runningRequests: 1, waitingRequests: 1 });
    const events = drain(model);
    expect(atMs(events, "admitted", 2)).toBeCloseTo(80, 6);
  });

  it("preempts the newest sequence and computes it again", () => {
    const model = new EngineModel({ ...plainEngine, kvCacheTokensMax: 96 });
    model.submit(aRequest(1, 47, { outputTokens: 40 }), 0);
    model.submit(aRequest(2, 47, { outputTokens: 40 }), 0);
    const events = drain(model);
    expect(kindsOf(events, 1)).toEqual(["admitted", "first-token", "finished"]);
    expect(kindsOf(events, 2)).toEqual([
      "admitted",
      "first-token",
      "preempted",
      "admitted",
      "finished",
    ]);
    expect(model.snapshot()).toMatchObject({
      preemptionsTotal: 1,
      outputTokensTotal: 80,
      promptTokensTotal: 94,
      kvReferencedBlocks: 0,
    });
  });
});

describe("scheduling by priority", () => {
  const options = { ...plainEngine, priorityScheduling: true };

  it("admits the lowest number first, then the earliest arrival", () => {
    const model = new EngineModel({ ...options, runningRequestsMax: 1 });
    for (const [id, priority] of [0, 5, 0, -1, 5].entries()) {
      model.submit(aRequest(id, 50, { priority }), 0);
    }
    const finished = drain(model).filter(({ kind }) => kind === "finished");
    // The first was running when the others came.
    expect(finished.map(({ id }) => id)).toEqual([0, 3, 2, 1, 4]);
  });

  it("is off by default", () => {
    const model = new EngineModel({ ...plainEngine, runningRequestsMax: 1 });
    for (const [id, priority] of [0, 5, 0].entries()) {
      model.submit(aRequest(id, 50, { priority }), 0);
    }
    const finished = drain(model).filter(({ kind }) => kind === "finished");
    expect(finished.map(({ id }) => id)).toEqual([0, 1, 2]);
  });

  it("preempts the highest number, also if it runs first in the batch", () => {
    const model = new EngineModel({ ...options, kvCacheTokensMax: 96 });
    model.submit(aRequest(1, 47, { outputTokens: 40, priority: 1 }), 0);
    model.submit(aRequest(2, 47, { outputTokens: 40 }), 0);
    const events = drain(model);
    expect(kindsOf(events, 2)).toEqual(["admitted", "first-token", "finished"]);
    expect(kindsOf(events, 1)).toContain("preempted");
    expect(model.snapshot()).toMatchObject({ preemptionsTotal: 1, outputTokensTotal: 80 });
  });
});

describe("LoRA", () => {
  const options = { ...plainEngine, loraSlotsMax: 1, loraLoadMs: 500 };

  it("starts a request when its adapter has loaded", () => {
    const model = new EngineModel(options);
    model.submit(aRequest(1, 50, { adapter: "a" }), 0);
    expect(model.snapshot()).toMatchObject({ waitingAdapters: ["a"], runningAdapters: [] });
    model.submit(aRequest(2, 50, { adapter: "a" }), 1_000);
    const events = drain(model);
    expect(atMs(events, "first-token", 1)).toBeCloseTo(550, 6);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(1_050, 6);
  });

  it("lets base requests pass one that waits for its adapter", () => {
    const model = new EngineModel(options);
    model.submit(aRequest(1, 50, { adapter: "a" }), 0);
    model.submit(aRequest(2, 50), 0);
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(50, 6);
  });

  it("serves loaded adapters and the base model in order of arrival", () => {
    const model = new EngineModel({ ...options, runningRequestsMax: 1 });
    model.submit(aRequest(0, 50, { adapter: "a" }), 0);
    drain(model);
    for (const [id, adapter] of [undefined, "a", undefined, "a"].entries()) {
      model.submit(aRequest(id + 1, 50, { adapter }), 1_000);
    }
    const finished = drain(model).filter(({ kind }) => kind === "finished");
    expect(finished.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  it("keeps an adapter waiting while running sequences use every slot", () => {
    const model = new EngineModel(options);
    model.submit(aRequest(1, 50, { adapter: "a" }), 0);
    model.submit(aRequest(2, 50, { adapter: "b" }), 0);
    expect(model.advance(520).map(({ id }) => id)).toEqual([1]);
    expect(model.snapshot()).toMatchObject({ runningAdapters: ["a"], waitingAdapters: ["b"] });
    // a ends at 550 and its slot is taken at once: 550 + 500 + 50.
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(1_100, 6);
  });

  it("loads beside steps, in real time", () => {
    const model = new EngineModel({ ...options, stepBaseMs: 7 });
    model.submit(aRequest(1, 43, { outputTokens: 200 }), 0);
    model.submit(aRequest(2, 50, { adapter: "a" }), 0);
    const events = drain(model);
    // A prompt of 50 ms, then decodes of 7 ms. The adapter is ready at 550, in the 72nd of them.
    expect(atMs(events, "admitted", 2)).toBeCloseTo(50 + 72 * 7, 6);
    expect(atMs(events, "first-token", 2)).toBeCloseTo(554 + 57, 6);
  });

  it("loads an adapter when a step has budget for its request", () => {
    const model = new EngineModel(options);
    model.submit(aRequest(1, 250), 0);
    model.submit(aRequest(2, 50, { adapter: "a" }), 0);
    // The step from 200 has 50 tokens left.
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(200 + 500 + 50, 6);
  });

  it("gives slots to the requests that came first, not to those whose adapter is there", () => {
    const model = new EngineModel({ ...options, loraSlotsMax: 2 });
    for (const [id, adapter] of ["a", "b"].entries())
      model.submit(aRequest(id, 50, { adapter }), 0);
    drain(model);
    for (const [id, adapter] of ["c", "d", "a"].entries()) {
      model.submit(aRequest(10 + id, 50, { adapter }), 2_000);
    }
    const events = drain(model);
    expect(atMs(events, "first-token", 10)).toBeCloseTo(2_600, 6);
    expect(atMs(events, "first-token", 11)).toBeCloseTo(2_600, 6);
    // c and d end at 2,600; then a loads.
    expect(atMs(events, "first-token", 12)).toBeCloseTo(3_150, 6);
  });

  it("counts the last step of an adapter as its last use", () => {
    const model = new EngineModel({ ...options, loraSlotsMax: 2, stepBaseMs: 10 });
    model.submit(aRequest(1, 50, { adapter: "a", outputTokens: 300 }), 0);
    model.submit(aRequest(2, 50, { adapter: "b" }), 100);
    drain(model);
    model.submit(aRequest(3, 50, { adapter: "c" }), 10_000);
    drain(model);
    model.submit(aRequest(4, 50, { adapter: "a" }), 20_000);
    // b was dropped for c, though a was taken up first.
    expect(atMs(drain(model), "first-token", 4)).toBeCloseTo(20_060, 6);
  });

  it("drops the least recently used idle adapter", () => {
    const model = new EngineModel({ ...options, loraSlotsMax: 2 });
    const ttftMs = ["a", "b", "a", "c", "a", "b"].map((adapter, index) => {
      const submittedAtMs = index * 10_000;
      model.submit(aRequest(index, 50, { adapter }), submittedAtMs);
      return atMs(drain(model), "first-token", index) - submittedAtMs;
    });
    expect(ttftMs).toEqual([550, 550, 50, 550, 50, 550]);
  });

  it("gives the slot of a load that no request waits for any more to the next adapter", () => {
    const model = new EngineModel(options);
    model.submit(aRequest(1, 50, { adapter: "a" }), 0);
    model.submit(aRequest(2, 50, { adapter: "b" }), 0);
    model.cancel(1, 100);
    // 100 + 500 + 50.
    expect(atMs(drain(model), "first-token", 2)).toBeCloseTo(650, 6);
  });
});
