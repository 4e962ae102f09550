import { describe, expect, it } from "vitest";
import { PrefillRates } from "./prefill-rates.ts";

describe("the learned prefill rates", () => {
  it("start at 6 tokens per ms, and are the pool's for an endpoint without samples", () => {
    const rates = new PrefillRates();
    expect(rates.tokensPerMs(0)).toBe(6);
    rates.note(0, 16_384, 2_048);
    // Each begins with 16,384 tokens at 6 per ms, which fade; 100 tokens at the assumed rate always count.
    const begun = 16_384 / 6;
    const pool = (0.99 * 16_384 + 16_384 + 100) / (0.99 * begun + 2_048 + 100 / 6);
    expect(rates.tokensPerMs(1)).toBeCloseTo(pool, 9);
    const own = (0.95 * 16_384 + 16_384 + 100) / (0.95 * begun + 2_048 + 100 / pool);
    expect(rates.tokensPerMs(0)).toBeCloseTo(own, 9);
  });

  it.each([8, 2, 32, 0.5])("come within 5 %% of %d tokens per ms in 100 prompts", (speed) => {
    const rates = new PrefillRates();
    for (let count = 0; count < 100; count += 1) rates.note(0, 4_000, 4_000 / speed);
    expect(rates.tokensPerMs(0) / speed).toBeCloseTo(1, 1);
  });

  it("follow an engine that becomes four times slower, and then as fast again", () => {
    const rates = new PrefillRates();
    const runAt = (speed: number) => {
      for (let count = 0; count < 100; count += 1) rates.note(0, 4_000, 4_000 / speed);
      return rates.tokensPerMs(0) / speed;
    };
    for (const speed of [8, 2, 8]) expect(Math.abs(runAt(speed) - 1)).toBeLessThan(0.03);
  });

  it.each([
    [4_000, 10, 2.24],
    [4_000, 30, 3.37],
    [4_000, 100, 3.96],
    [200, 30, 2.97],
    [200, 100, 3.61],
  ])(
    "with %d tokens a prompt, show after %d prompts an engine that is 4 times slower as %d times slower",
    (tokens, prompts, times) => {
      const rates = new PrefillRates();
      const runAt = (speed: number, count: number) => {
        for (let round = 0; round < count; round += 1) {
          for (let slot = 0; slot < 8; slot += 1) {
            rates.note(slot, tokens, tokens / (slot === 0 ? speed : 8));
          }
        }
        return rates.tokensPerMs(0);
      };
      expect(runAt(8, 50) / runAt(2, prompts)).toBeCloseTo(times, 2);
    },
  );

  it("do not take one very late answer for slowness", () => {
    const rates = new PrefillRates();
    for (let count = 0; count < 100; count += 1) rates.note(0, 4_000, 500);
    const before = rates.tokensPerMs(0);
    rates.note(0, 4_000, 60_000);
    // Clipped to 4 x 500 + 50 ms, among about 20 samples of 500 ms.
    expect(rates.tokensPerMs(0) / before).toBeGreaterThan(0.8);
  });

  it("differ by endpoint, and are forgotten with it", () => {
    const rates = new PrefillRates();
    for (let count = 0; count < 100; count += 1) {
      rates.note(0, 4_000, 500);
      rates.note(1, 4_000, 2_000);
    }
    expect(rates.tokensPerMs(0) / rates.tokensPerMs(1)).toBeGreaterThan(2.5);
    rates.forget(1);
    expect(rates.tokensPerMs(1)).toBe(rates.poolTokensPerMs);
  });

  it("take half of the tokens that the engine reports beyond those of the sample", () => {
    const rates = new PrefillRates();
    rates.note(0, 1_000, 1_000);
    const before = rates.tokensPerMs(0);
    rates.correct(0, 4_000);
    expect(rates.tokensPerMs(0)).toBeGreaterThan(before);
    rates.correct(0, -1_000_000);
    expect(rates.tokensPerMs(0)).toBeGreaterThan(0);
  });
});
