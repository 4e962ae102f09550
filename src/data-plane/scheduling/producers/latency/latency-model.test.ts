import { expect, it } from "vitest";
import { LatencyModel } from "./latency-model.ts";

const prompt = { tokens: 600, sentMs: 0, stays: true, showsFirstToken: true };

it("keeps the work of a slot when it makes room for more of them", () => {
  const model = new LatencyModel();
  model.workAt(1).queue.push(prompt);
  model.workAt(1).addPlaced(1);
  model.workAt(5_000);
  // 600 - 2 x 100
  expect([model.columns.prompts[1], model.tokensAhead(1, 100, 2)]).toEqual([1, 400]);
});

it("gives a slot to another endpoint without the work of the one that left", () => {
  const model = new LatencyModel();
  const left = model.workAt(0);
  const waiting = left.queue.push(prompt);
  left.addPlaced(1);
  left.noteRefusal(1_000);
  model.forget(0);
  expect([model.columns.prompts[0], model.tokensAhead(0, 0, 1), model.decodingAt(0, 0)]).toEqual([
    0, 0, 0,
  ]);
  model.workAt(0).addPlaced(1);
  left.queue.finished(waiting, 50);
  left.addPlaced(-1);
  expect([left.decoding, left.refusalsAt(1_000), model.decodingAt(0, 50)]).toEqual([0, 0, 1]);
});

it("keeps the speed of an engine that restarts, and nothing of an endpoint that leaves", () => {
  const model = new LatencyModel();
  for (let count = 0; count < 100; count += 1) model.rates.note(0, 6_000, 500);
  const learned = model.rates.tokensPerMs(0);
  expect(learned).toBeCloseTo(12, 0);
  model.restart(0, 0);
  expect(model.rates.tokensPerMs(0)).toBe(learned);
  model.forget(0);
  expect(model.rates.tokensPerMs(0)).toBe(model.rates.poolTokensPerMs);
});

it("keeps the requests that a restarted engine got before its restart was known, with cold prompts", () => {
  const model = new LatencyModel();
  const work = model.workAt(0);
  for (let count = 0; count < 10; count += 1) model.trust.note(0, 4_000, 0);
  work.noteRefusal(10_000);
  work.queue.push({ ...prompt, sentMs: 5, wholeTokens: undefined });
  work.queue.push({ ...prompt, sentMs: 10, wholeTokens: 6_000 });
  work.addPlaced(1);
  model.restart(0, 5);
  expect([model.columns.prompts[0], model.tokensAhead(0, 10, 1)]).toEqual([1, 6_000]);
  // The engine that refused is gone, and with it what it did not cache.
  expect([model.decodingAt(0, 10), model.columns.hasRefusals[0], model.trust.of(0)]).toEqual([
    0, 0, 1,
  ]);
  expect(model.workAt(0)).toBe(work);
});
