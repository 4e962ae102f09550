import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { ConnectionError } from "./frame-types.ts";
import { NoiseBudget } from "./noise-budget.ts";

const times = (count: number, task: () => void) => {
  for (let time = 0; time < count; time += 1) task();
};

describe("NoiseBudget", () => {
  it("allows 10,000 frames at once, and then one each millisecond", async () => {
    const clock = new FakeClock();
    const budget = new NoiseBudget(clock);
    times(10_000, () => budget.noise());
    expect(() => budget.noise()).toThrow(ConnectionError);
    await clock.advance(500);
    times(500, () => budget.noise());
    expect(() => budget.noise()).toThrow(ConnectionError);
  });

  it("saves up no more than 10,000", async () => {
    const clock = new FakeClock();
    const budget = new NoiseBudget(clock);
    times(10_000, () => budget.noise());
    await clock.advance(60_000);
    times(10_000, () => budget.noise());
    expect(() => budget.noise()).toThrow(ConnectionError);
  });

  it("allows four frames for each that brings data", () => {
    const budget = new NoiseBudget(new FakeClock());
    times(10_000, () => budget.noise());
    times(50_000, () => {
      budget.earn();
      times(4, () => budget.noise());
    });
    expect(() => budget.noise()).toThrow(ConnectionError);
  });

  it("allows a million resets of streams at once", () => {
    const budget = new NoiseBudget(new FakeClock());
    times(1_000_000, () => budget.reset());
    expect(() => budget.reset()).toThrow(ConnectionError);
  });
});
