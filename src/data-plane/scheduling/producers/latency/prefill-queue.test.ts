import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PrefillRates } from "./prefill-rates.ts";
import { PrefillQueue } from "./prefill-queue.ts";

const sent = (tokens: number, sentMs: number, showsFirstToken: boolean) => ({
  tokens,
  sentMs,
  stays: true,
  showsFirstToken,
});
const streamed = (tokens: number, sentMs: number) => sent(tokens, sentMs, true);
const whole = (tokens: number, sentMs: number) => sent(tokens, sentMs, false);

describe("the prompts that an engine has to compute", () => {
  it("count less the longer the engine works on the first, down to a twentieth", () => {
    const queue = new PrefillQueue();
    queue.push(streamed(1_000, 0));
    queue.push(streamed(500, 10));
    // 1,500 - 2 x 100
    expect(queue.tokensAhead(100, 2)).toBe(1_300);
    // 1,500 - 0.95 x 1,000
    expect(queue.tokensAhead(10_000, 2)).toBe(550);
  });

  it("go on with the next one when the first has its first token", () => {
    const queue = new PrefillQueue();
    const first = queue.push(streamed(1_000, 0));
    const second = queue.push(streamed(500, 10));
    expect(queue.finished(first, 600)).toEqual({ tokens: 1_000, tookMs: 600 });
    // 500 - 2 x (700 - 600): the engine began with it at 600.
    expect(queue.tokensAhead(700, 2)).toBe(300);
    expect(queue.finished(second, 800)).toEqual({ tokens: 500, tookMs: 200 });
    expect(queue.tokensAhead(900, 2)).toBe(0);
  });

  it("take no time from the past: a prompt sent later begins then", () => {
    const queue = new PrefillQueue();
    queue.finished(queue.push(streamed(10, 0)), 5);
    const late = queue.push(streamed(100, 1_000));
    expect(queue.tokensAhead(1_010, 2)).toBe(80);
    expect(queue.finished(late, 1_060)).toEqual({ tokens: 100, tookMs: 60 });
  });

  it("leave without a trace if they are dropped", () => {
    const queue = new PrefillQueue();
    const dropped = queue.push(streamed(1_000, 0));
    queue.push(streamed(500, 0));
    queue.leave(dropped);
    queue.leave(dropped);
    expect(queue.tokensAhead(0, 1)).toBe(500);
    expect(queue.count).toBe(1);
  });

  it("are whole again if the engine restarts: those sent before, or refused, are gone", () => {
    const queue = new PrefillQueue();
    const lost = queue.push({ ...streamed(1_000, 0), wholeTokens: 8_000 });
    queue.push({ ...streamed(300, 12), wholeTokens: undefined });
    const first = queue.push({ ...streamed(100, 12), wholeTokens: 4_000 });
    const second = queue.push({ ...streamed(50, 15), wholeTokens: 60 });
    queue.restart(10);
    expect([lost.isOut, first.isCold, second.isCold]).toEqual([true, true, true]);
    // 4,000 + 60 - 2 x (20 - 12)
    expect([queue.count, queue.tokensAhead(20, 2)]).toEqual([2, 4_044]);
    expect(queue.finished(first, 2_000)).toEqual({ tokens: 4_000, tookMs: 1_988 });
    queue.leave(second);
    queue.leave(lost);
    expect([queue.count, queue.tokensAhead(2_000, 2)]).toEqual([0, 0]);
  });

  it("drain by themselves if their responses show no first token", () => {
    const queue = new PrefillQueue();
    queue.push(whole(1_000, 0));
    queue.push(whole(500, 0));
    expect(queue.tokensAhead(400, 2)).toBe(700);
    // The first took until 500, so the second has 2 x 100 behind it.
    expect(queue.tokensAhead(600, 2)).toBe(300);
    expect(queue.tokensAhead(750, 2)).toBe(0);
    expect(queue.count).toBe(0);
  });

  it("drain by themselves once it shows that none will come", () => {
    const queue = new PrefillQueue();
    const prompt = queue.push(streamed(1_000, 0));
    queue.push(whole(500, 0));
    // 1,500 - 0.95 x 1,000, for as long as its first token is outstanding
    expect(queue.tokensAhead(700, 2)).toBe(550);
    queue.expectNoFirstToken(prompt);
    // It took until 500, and the second has 2 x 200 behind it.
    expect(queue.tokensAhead(700, 2)).toBe(100);
    expect(queue.count).toBe(1);
  });

  it("are told apart by where their responses are generated", () => {
    const queue = new PrefillQueue();
    queue.push({ ...streamed(10, 0), stays: false });
    const staying = queue.push(streamed(10, 0));
    expect(queue.stayingCount).toBe(1);
    queue.leave(staying);
    expect([queue.stayingCount, queue.count]).toEqual([0, 1]);
  });

  it("count what is computed: progress of the first, drained and finished prompts", () => {
    const queue = new PrefillQueue();
    const first = queue.push(whole(1_000, 0));
    const second = queue.push(streamed(500, 0));
    queue.push({ ...whole(300, 0), stays: false });
    // 2 x 200 of the first
    expect(queue.computedTokens(200, 2)).toBe(400);
    expect(queue.unfinishedTokens).toBe(0);
    // The first took until 500; the second has at most 0.95 x 500 without its first token.
    expect(queue.computedTokens(900, 2)).toBe(1_475);
    expect(queue.unfinishedTokens).toBe(1_000);
    queue.finished(second, 900);
    expect(queue.unfinishedTokens).toBe(1_500);
    queue.leave(first);
    queue.leave(first);
    expect(queue.unfinishedTokens).toBe(500);
    queue.correctComputed(-100);
    // 1,500 - 100; the last one goes without a trace, because its response is generated elsewhere.
    expect(queue.computedTokens(2_000, 2)).toBe(1_400);
  });

  it("are finished without a first token if a later one has its first token", () => {
    const queue = new PrefillQueue();
    queue.push(whole(1_000, 0));
    const later = queue.push(streamed(500, 0));
    queue.push(whole(300, 0));
    expect(queue.finished(later, 100)).toEqual({ tokens: 1_500, tookMs: 100 });
    expect(queue.count).toBe(1);
    expect(queue.tokensAhead(100, 1)).toBe(300);
  });

  it("take the time of those that show none along, from the time at which the engine began with them", () => {
    const queue = new PrefillQueue();
    queue.push(whole(8_000, 100));
    const later = queue.push(streamed(400, 900));
    // Sent at 100, 8,400 tokens at 8 a ms.
    expect(queue.finished(later, 1_150)).toEqual({ tokens: 8_400, tookMs: 1_050 });
  });

  it("teach the right speed if most of the work shows none", () => {
    const queue = new PrefillQueue();
    const rates = new PrefillRates();
    for (let round = 0; round < 200; round += 1) {
      const sentMs = round * 2_000;
      queue.push(whole(10_000, sentMs));
      const prompt = queue.push(streamed(500, sentMs));
      // 10,500 tokens at 8 a ms
      const nowMs = sentMs + 1_312;
      queue.tokensAhead(nowMs, rates.tokensPerMs(0));
      const { tokens, tookMs } = queue.finished(prompt, nowMs);
      rates.note(0, tokens, tookMs);
    }
    expect(rates.tokensPerMs(0)).toBeGreaterThan(6);
    expect(rates.tokensPerMs(0)).toBeLessThan(9);
  });

  it("never count below 0, nor beyond their sum, in any order of events", () => {
    const step = fc.record({
      kind: fc.constantFrom("push", "finish", "leave", "look"),
      tokens: fc.integer({ min: 1, max: 50_000 }),
      which: fc.nat({ max: 20 }),
      afterMs: fc.integer({ min: 0, max: 5_000 }),
      showsFirstToken: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new PrefillQueue();
        const prompts: ReturnType<PrefillQueue["push"]>[] = [];
        const took: number[] = [];
        let nowMs = 0;
        for (const { kind, tokens, which, afterMs, showsFirstToken } of steps) {
          nowMs += afterMs;
          const prompt = prompts[which % Math.max(1, prompts.length)];
          if (kind === "push") prompts.push(queue.push(sent(tokens, nowMs, showsFirstToken)));
          else if (prompt !== undefined && kind === "leave") queue.leave(prompt);
          else if (prompt?.isOut === false && kind === "finish") {
            took.push(queue.finished(prompt, nowMs).tookMs);
          }
          const open = prompts.filter(({ isOut }) => !isOut);
          const sum = open.reduce((total, each) => total + each.tokens, 0);
          const ahead = queue.tokensAhead(nowMs, 3);
          expect(ahead).toBeGreaterThanOrEqual(0);
          expect(ahead).toBeLessThanOrEqual(sum + 1e-6);
          expect(queue.count).toBe(prompts.filter(({ isOut }) => !isOut).length);
        }
        expect(took.filter((ms) => ms < 0)).toEqual([]);
      }),
    );
  });
});
