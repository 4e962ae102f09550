import { describe, expect, it } from "vitest";
import { ComputedTokens } from "./computed-tokens.ts";
import { PrefillQueue, type QueuedPrompt } from "./prefill-queue.ts";

const whole = (tokens: number, sentMs: number) => ({
  ...{ tokens, sentMs, stays: true, showsFirstToken: false },
});

/** Tokens that count per 1,000 that are sent, one prompt a second, of which so many a second end. */
function countedShare(endedPerS: number): number {
  const queue = new PrefillQueue();
  const computed = new ComputedTokens(queue);
  const open: QueuedPrompt[] = [];
  const [from, to] = [600, 1_200];
  let atFrom = 0;
  for (let s = 0; s < to; s += 1) {
    if (s === from) atFrom = computed.at(s * 1_000, 10);
    open.push(queue.push(whole(1_000, s * 1_000)));
    // Believed to take 100 ms, so that all are computed when the next one comes.
    queue.tokensAhead(s * 1_000 + 500, 10);
    const ends = Math.floor((s + 1) * endedPerS) - Math.floor(s * endedPerS);
    if (ends === 0 || open.length < 5) continue;
    const prompt = open.shift();
    if (prompt !== undefined) queue.leave(prompt);
    computed.noteEnd(8);
  }
  return (computed.at(to * 1_000, 10) - atFrom) / ((to - from) * 1_000);
}

describe("the count of computed tokens", () => {
  it("is what was sent if answers end as fast", () => {
    expect(countedShare(1)).toBeCloseTo(1, 2);
  });

  it("is what ends if answers pile up", () => {
    // Half of the prompts end, although all are believed computed: at 1 the rate would confirm itself.
    expect(countedShare(0.5)).toBeCloseTo(0.5, 1);
  });
});
