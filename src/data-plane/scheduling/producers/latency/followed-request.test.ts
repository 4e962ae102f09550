import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../../core/endpoint.ts";
import type { RequestRecord } from "../../../../core/request-record.ts";
import {
  aContext,
  aDecision,
  aLoad,
  anEndpoint,
  aRecord,
  aRequest,
  aResponseHead,
  someAdapters,
} from "#test/support/builders.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { FollowedRequest } from "./followed-request.ts";
import { LatencyModel } from "./latency-model.ts";
import { Prediction } from "./prediction.ts";

const [first, second] = [anEndpoint({ slot: 0 }), anEndpoint({ slot: 1 })];
const stream = aResponseHead({ isEventStream: true });
const byOther = aResponseHead({ isEventStream: true, served: second });
const rules = { bufferFactor: 1, countsTpot: false, onlyPrefills: undefined };
const adapters = someAdapters({ active: ["llama"], adaptersMax: 1 });

/** Sends a stream of 600 prompt tokens to the first endpoint at 0. */
function send(model: LatencyModel, helpers: readonly Endpoint[] = [], isAdapter = false) {
  const request = aRequest({ promptTokens: 600, isStreaming: true });
  const prediction = new Prediction(model, rules);
  const load = aLoad(isAdapter ? [{ adapters }, { adapters }] : [{}, {}]);
  const context = aContext({ request, load, nowMs: 0 });
  prediction.compute(context, [first, second], { match: undefined, promptTokens: 600 });
  const decision = aDecision({ endpoints: [first], helpers });
  return new FollowedRequest(model, { request, decision, prediction, nowMs: 0 });
}

/** Sends a prompt of 6,000 tokens at 10, of which the first endpoint is believed to hold 5,952. */
function sendMatched(model: LatencyModel) {
  const request = aRequest({ promptTokens: 6_000, isStreaming: true });
  const prediction = new Prediction(model, rules);
  const match = aPrefixMatch({ matchedBlocks: [93, 0], totalBlocks: 94 });
  const context = aContext({ request, load: aLoad([{}, {}]), nowMs: 10 });
  prediction.compute(context, [first, second], { match, promptTokens: 6_000 });
  const decision = aDecision({ endpoints: [first] });
  return new FollowedRequest(model, { request, decision, prediction, nowMs: 10 });
}

const text = (content: string) => ({ kind: "text", text: content }) as const;

const record = aRecord({
  request: aRequest({ promptTokens: 600, isStreaming: true }),
  end: "complete",
  httpStatus: 200,
  usage: { promptTokens: 600, outputTokens: 11, cachedTokens: 0 },
  firstTokenMs: 50,
  lastChunkMs: 10_050,
  endedMs: 10_050,
});

const decodingAt = (model: LatencyModel) => [0, 1].map((slot) => model.workAt(slot).decoding);
const aheadAt = (model: LatencyModel, nowMs: number) =>
  [0, 1].map((slot) => model.workAt(slot).queue.tokensAhead(nowMs, 0.1));

describe("a request that was sent after a restart that was not known yet", () => {
  const missed = aRecord({
    ...record,
    usage: { promptTokens: 6_000, outputTokens: 11, cachedTokens: 0 },
    firstTokenMs: 1_010,
    endedMs: 10_050,
  });

  it("counts there in whole, and its miss does not make the endpoint distrusted", () => {
    const model = new LatencyModel();
    const requests = Array.from({ length: 8 }, () => sendMatched(model));
    expect(model.tokensAhead(0, 10, 1)).toBe(8 * 48);
    model.restart(0, 9);
    expect(model.tokensAhead(0, 10, 1)).toBe(8 * 6_000);
    for (const request of requests) {
      request.responseHead(stream, 11);
      request.firstToken(1_010);
      request.ended(missed);
    }
    expect([model.trust.of(0), decodingAt(model), aheadAt(model, 1_010)]).toEqual([
      1,
      [0, 0],
      [0, 0],
    ]);
    expect(model.audit.of(0)?.ttftCount).toBe(0);
  });

  it("makes it distrusted if the engine has not restarted", () => {
    const model = new LatencyModel();
    for (let count = 0; count < 8; count += 1) {
      const request = sendMatched(model);
      request.responseHead(stream, 11);
      request.firstToken(1_010);
      request.ended(missed);
    }
    expect(model.trust.of(0)).toBeLessThan(0.35);
  });
});

describe("a request whose endpoint leaves", () => {
  it.each(["before", "after"] as const)(
    "teaches nothing about the next one in the slot, if it leaves %s the first token",
    (when) => {
      const model = new LatencyModel();
      const request = send(model);
      request.responseHead(stream, 1);
      if (when === "before") model.forget(0);
      request.firstToken(50);
      if (when === "after") model.forget(0);
      request.ended(record);
      expect(model.rates.tokensPerMs(0)).toBe(model.rates.poolTokensPerMs);
      expect(model.pace.tpotMs(0, 1)).toBe(model.pace.tpotMs(1, 1));
      expect(model.audit.of(0)).toBeUndefined();
      expect(decodingAt(model)).toEqual([0, 0]);
    },
  );
});

describe("a request that another endpoint serves", () => {
  it("counts there, from then on", () => {
    const model = new LatencyModel();
    const request = send(model);
    request.responseHead(byOther, 5_000);
    // None of it is computed: the engine has it only now.
    expect(aheadAt(model, 5_000)).toEqual([0, 600]);
    request.firstToken(6_000);
    expect(decodingAt(model)).toEqual([0, 1]);
    request.ended(record);
    expect(decodingAt(model)).toEqual([0, 0]);
  });

  it("holds its adapter there", () => {
    const model = new LatencyModel();
    const request = send(model, [], true);
    const reported = someAdapters({ adaptersMax: 1 });
    const inputs = { reported, isShared: false, requestMs: 9_000, queued: 0, nowMs: 10 };
    const waits = () =>
      [0, 1].map((slot) => model.adapters.wait("other", slot, inputs).ms >= 9_000);
    expect(waits()).toEqual([true, false]);
    request.responseHead(byOther, 10);
    expect(waits()).toEqual([false, true]);
    request.ended(record);
    expect(waits()).toEqual([false, false]);
  });

  it("leaves its prompt with the helpers that compute it", () => {
    const model = new LatencyModel();
    const request = send(model, [first]);
    request.responseHead(byOther, 0);
    expect(aheadAt(model, 0)).toEqual([600, 0]);
  });
});

it("does not count a prompt as generating less than nothing if its endpoint helps itself", () => {
  const model = new LatencyModel();
  const request = send(model, [first]);
  expect(decodingAt(model)).toEqual([0, 0]);
  request.responseHead(stream, 1);
  request.firstToken(50);
  expect(decodingAt(model)).toEqual([1, 0]);
});

it("does not take the wait for a place among adapters for the time of a load", () => {
  const model = new LatencyModel();
  // An endpoint whose only place another adapter holds.
  const named = aLoad([{ adapters: someAdapters({ active: ["other"] }), signalsAtMs: 0 }]);
  model.adapters.isAdapter("other", named, 0);
  const reported = someAdapters({ adaptersMax: 1 });
  const inputs = { reported, isShared: false, requestMs: 0, queued: 0, nowMs: 0 };
  model.adapters.wait("other", 0, inputs);
  model.adapters.enter("other", 0, 0);
  const before = model.adapters.loadMs;
  const request = send(model, [], true);
  request.responseHead(stream, 1);
  request.firstToken(20_000);
  expect(model.adapters.loadMs).toBe(before);
});

/** Requests that count as decoding at the first endpoint in a new prediction. */
function decodingIn(model: LatencyModel, nowMs: number): number {
  const prediction = new Prediction(model, rules);
  const context = aContext({ nowMs });
  prediction.compute(context, [first, second], { match: undefined, promptTokens: 1 });
  return prediction.decoding(0);
}

describe("a request that an engine refuses", () => {
  it.each([429, 500, 503])("counts as long as one that it serves: status %d", (httpStatus) => {
    const model = new LatencyModel();
    const request = send(model);
    request.responseHead(aResponseHead({ httpStatus }), 10);
    request.ended(aRecord({ httpStatus }));
    // 600 tokens at 0.1 a ms from 10 ms on, and a mean duration of 5 s.
    expect(aheadAt(model, 1_010)).toEqual([500, 0]);
    expect(aheadAt(model, 6_010)).toEqual([0, 0]);
    expect([decodingIn(model, 5_009), decodingIn(model, 5_010)]).toEqual([1, 0]);
  });

  it("counts so before another one serves it, too", () => {
    const model = new LatencyModel();
    const request = send(model);
    request.responseHead({ ...byOther, failedBefore: [first] }, 10);
    expect(aheadAt(model, 10)).toEqual([600, 600]);
    expect(decodingIn(model, 10)).toBe(1);
  });

  it("does not count if the client asked for something wrong", () => {
    const model = new LatencyModel();
    send(model).responseHead(aResponseHead({ httpStatus: 400 }), 10);
    expect(aheadAt(model, 10)).toEqual([0, 0]);
    expect(decodingIn(model, 10)).toBe(0);
  });

  it("counts at most 1,000 times", () => {
    const work = new LatencyModel().workAt(0);
    for (let count = 0; count < 3_000; count += 1) work.noteRefusal(5_000);
    expect([work.refusalsAt(0), work.refusalsAt(5_000)]).toEqual([1_000, 0]);
  });
});

describe("a later turn that goes home", () => {
  const pool = [first, second];
  const parts = ["x", "y", "z"].map((letter) => text(letter.repeat(4_000)));
  const request = aRequest({ prompts: [parts], openingParts: 1, promptTokens: 3_000 });
  const shared = aLoad(pool.map(() => ({ runningRequests: 9, waitingRequests: 0 })));

  /** Its answer tells cached tokens, from the home or from the other endpoint. */
  function heldAfter(
    cachedTokens: number | undefined,
    { goesHome }: { goesHome: boolean },
  ): number {
    const model = new LatencyModel();
    const prediction = new Prediction(model, rules);
    for (let sent = 0; sent < 50; sent += 1) {
      const context = aContext({ request, load: shared, endpoints: pool, nowMs: sent * 100 });
      prediction.compute(context, pool, { match: undefined, promptTokens: 3_000 });
    }
    const isHome = ({ slot }: Endpoint) => (slot === prediction.home?.slot) === goesHome;
    const endpoint = pool.find((each) => isHome(each)) ?? first;
    const decision = aDecision({ endpoints: [endpoint] });
    const followed = new FollowedRequest(model, { request, decision, prediction, nowMs: 5_000 });
    followed.responseHead(stream, 5_001);
    followed.firstToken(5_050);
    const usage = { promptTokens: 3_000, outputTokens: 11, cachedTokens };
    followed.ended({ ...record, usage });
    return model.homes.heldShare;
  }

  it("teaches how much homes hold: 1 + 0.05 x (1,500 / 2,000 - 1)", () => {
    expect(heldAfter(1_500, { goesHome: true })).toBeCloseTo(0.9875, 9);
    expect(heldAfter(0, { goesHome: true })).toBeCloseTo(0.95, 9);
  });

  it("teaches nothing if its answer tells no cached tokens, or another endpoint was picked", () => {
    expect(heldAfter(undefined, { goesHome: true })).toBe(1);
    expect(heldAfter(1_500, { goesHome: false })).toBe(1);
  });
});

/** Sends a request for a whole answer to the first endpoint. */
function sendWhole(model: LatencyModel, nowMs: number, promptTokens = 600) {
  const request = aRequest({ promptTokens, isStreaming: false });
  const prediction = new Prediction(model, rules);
  const context = aContext({ request, nowMs });
  prediction.compute(context, [first, second], { match: undefined, promptTokens });
  const decision = aDecision({ endpoints: [first] });
  return new FollowedRequest(model, { request, decision, prediction, nowMs });
}

const wholeRecord = aRecord({
  request: aRequest({ promptTokens: 600, isStreaming: false }),
  ...{ end: "complete" as const, httpStatus: 200, firstTokenMs: 1_212, lastChunkMs: 1_212 },
  usage: { promptTokens: 600, outputTokens: 25, cachedTokens: 0 },
});

/** One answer after another, each of 600 prompt tokens and 25 tokens, that takes so long. */
function learnFromWholes(model: LatencyModel, tookMs: number, parts: Partial<RequestRecord> = {}) {
  for (let count = 0; count < 60; count += 1) {
    const sentMs = count * 60_000;
    const request = sendWhole(model, sentMs);
    request.responseHead(aResponseHead(), sentMs + tookMs);
    request.firstToken(sentMs + tookMs);
    request.ended({ ...wholeRecord, endedMs: sentMs + tookMs, ...parts });
  }
}

describe("a whole answer", () => {
  // Assumed: 600 / 6 + 25 x (20 + 0.3) = 607.5 ms, of which the prompt and a step are 120.3: 600 / 120.3 = 5.0 a ms.
  it.each([
    [607.5, 5],
    [303.75, 10],
    [2_430, 1.25],
  ])("teaches the speed of its endpoint: %d ms", (tookMs, tokensPerMs) => {
    const model = new LatencyModel();
    learnFromWholes(model, tookMs);
    expect(Math.abs(model.rates.tokensPerMs(0) / tokensPerMs - 1)).toBeLessThan(0.3);
    expect(model.audit.of(0)?.ttftCount ?? 0).toBe(0);
  });

  it("teaches the time per token", () => {
    const model = new LatencyModel();
    learnFromWholes(model, 2_430);
    // Four times as long as assumed: 4 x 20.3
    expect(Math.abs(model.pace.tpotMs(0, 1) / 81.2 - 1)).toBeLessThan(0.2);
  });

  it.each<[string, Partial<RequestRecord>]>([
    ["without usage", { usage: undefined }],
    ["that broke off", { end: "aborted", endedBy: "engine" }],
    ["that failed", { failure: { code: "server_error", blame: "engine" } }],
  ])("teaches nothing %s", (_, parts) => {
    const model = new LatencyModel();
    learnFromWholes(model, 2_430, parts);
    expect(model.rates.tokensPerMs(0)).toBe(6);
    expect(model.pace.tpotMs(0, 1)).toBe(model.pace.tpotMs(1, 1));
    expect(decodingAt(model)).toEqual([0, 0]);
    expect(model.workAt(0).queue.unfinishedTokens).toBe(0);
  });

  it("leaves the queue of the endpoint that has served it, and no other", () => {
    const model = new LatencyModel();
    const [moved, left] = [sendWhole(model, 0), sendWhole(model, 0)];
    moved.responseHead({ ...byOther, isEventStream: false }, 10);
    const queues = () => [0, 1].map((slot) => model.workAt(slot).queue.count);
    expect(queues()).toEqual([1, 1]);
    moved.ended({ ...wholeRecord, endedMs: 20 });
    expect(queues()).toEqual([1, 0]);
    left.ended({ ...wholeRecord, endedMs: 30 });
    expect(queues()).toEqual([0, 0]);
  });

  it("does not make an engine look slow that has much to do", () => {
    const model = new LatencyModel();
    // 20 prompts of 6,000 tokens at once, 6 a ms: the last one is computed after 20 s.
    for (let round = 0; round < 20; round += 1) {
      const sentMs = round * 100_000;
      const requests = Array.from({ length: 20 }, () => sendWhole(model, sentMs, 6_000));
      for (const [index, request] of requests.entries()) {
        const endedMs = sentMs + 1_000 * (index + 1) + 607.5;
        request.responseHead(aResponseHead(), endedMs);
        const usage = { promptTokens: 6_000, outputTokens: 25, cachedTokens: 0 };
        request.ended({ ...wholeRecord, usage, endedMs });
      }
    }
    expect(model.rates.tokensPerMs(0)).toBeGreaterThan(4.5);
    expect(model.rates.tokensPerMs(0)).toBeLessThan(7.5);
  });

  it("leaves its queue at about the time of its first token", () => {
    const model = new LatencyModel();
    const request = sendWhole(model, 0, 60_000);
    sendWhole(model, 0, 60_000);
    request.responseHead(aResponseHead(), 5_000);
    const usage = { promptTokens: 60_000, outputTokens: 101, cachedTokens: 0 };
    request.ended({ ...wholeRecord, usage, endedMs: 5_000 });
    // Its 100 further tokens took 100 x 20 = 2,000 ms, in which the engine computed the next prompt.
    expect(aheadAt(model, 5_000)[0]).toBeCloseTo(60_000 - 0.1 * 2_000, 0);
  });
});

describe("a stream among whole answers", () => {
  it("that fails after its first token still tells how fast its prompt was computed", () => {
    const model = new LatencyModel();
    const request = send(model);
    request.responseHead(stream, 1);
    request.firstToken(1_000);
    request.ended({ ...record, end: "aborted", endedBy: "engine" });
    expect(model.rates.tokensPerMs(0)).toBeLessThan(6);
  });
});
