import { describe, expect, it } from "vitest";
import type { Clock } from "../std/clock.ts";
import { defaultEngineOptions } from "./engine-options.ts";
import { EngineRunner, type RunnerEvent } from "./engine-runner.ts";

/** A clock that only moves when a test tells it to. */
class HandClock implements Clock {
  #nowMs = 0;
  readonly timers = new Map<() => void, number>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = () => task();
    this.timers.set(entry, this.#nowMs + delayMs);
    return () => this.timers.delete(entry);
  }

  sleep(): Promise<void> {
    throw new Error("not used");
  }

  /** Fires due timers, in order, up to `untilMs`. */
  goTo(untilMs: number): void {
    for (;;) {
      const [first] = [...this.timers].toSorted(([, a], [, b]) => a - b);
      if (first === undefined || first[1] > untilMs) break;
      this.timers.delete(first[0]);
      this.#nowMs = first[1];
      first[0]();
    }
    this.#nowMs = untilMs;
  }
}

/** 1 ms per prompt token and 10 ms per step of decode. */
const engineOptions = {
  ...defaultEngineOptions,
  prefillTokensPerSecond: 1_000,
  stepBaseMs: 10,
  decodeMsPerSequence: 0,
};
const aRequest = { promptTokens: 90, promptBlocks: [1, 2, 3, 4, 5], outputTokens: 3 };

function aRunner() {
  const clock = new HandClock();
  const heard: string[] = [];
  const listener = (event: RunnerEvent) => {
    heard.push(`${event.kind} ${clock.nowMs()}`);
  };
  return { clock, heard, listener, runner: new EngineRunner(engineOptions, clock) };
}

describe("EngineRunner", () => {
  it("reports each event of a request when it happens", () => {
    const { clock, heard, listener, runner } = aRunner();
    runner.submit({ ...aRequest, reportsTokens: true }, listener);
    expect(heard).toEqual([]);
    clock.goTo(1_000);
    expect(heard).toEqual([
      "admitted 100",
      "first-token 100",
      "token 110",
      "token 120",
      "finished 120",
    ]);
  });

  it("keeps a timer only while there is work", () => {
    const { clock, listener, runner } = aRunner();
    expect(clock.timers.size).toBe(0);
    const result = runner.submit(aRequest, listener);
    runner.submit(aRequest, listener);
    expect(clock.timers.size).toBe(1);
    if (result.kind === "accepted") result.cancel();
    clock.goTo(1_000);
    expect(clock.timers.size).toBe(0);
  });

  it("reports nothing more to a cancelled request and frees its blocks", () => {
    const { clock, heard, listener, runner } = aRunner();
    const result = runner.submit(aRequest, listener);
    clock.goTo(50);
    if (result.kind === "accepted") result.cancel();
    clock.goTo(1_000);
    expect(heard).toEqual([]);
    expect(runner.snapshot()).toMatchObject({ kvReferencedBlocks: 0, runningRequests: 0 });
    expect(runner.stats.endedRequests().abort).toBe(1);
  });

  it("fails running requests when it restarts, and starts cold", () => {
    const { clock, heard, listener, runner } = aRunner();
    runner.submit(aRequest, listener);
    clock.goTo(105);
    runner.restart();
    expect(heard.at(-1)).toBe("failed 105");
    runner.submit(aRequest, listener);
    expect(runner.snapshot()).toMatchObject({
      prefixQueryTokensTotal: 90,
      prefixHitTokensTotal: 0,
      outputTokensTotal: 0,
    });
  });

  it("restarts for another block size and not for another speed", () => {
    const { heard, listener, runner } = aRunner();
    runner.submit(aRequest, listener);
    runner.reconfigure({ ...engineOptions, slowFactor: 2 });
    expect(heard).not.toContain("failed 0");
    runner.reconfigure({ ...engineOptions, blockTokens: 32 });
    expect(heard).toContain("failed 0");
  });

  it("leaves no timer when it is closed", () => {
    const { clock, heard, listener, runner } = aRunner();
    runner.submit(aRequest, listener);
    runner.close();
    expect(clock.timers.size).toBe(0);
    clock.goTo(1_000);
    expect(heard).toEqual([]);
  });

  it("measures queue time, time to first token and latency from the submission", () => {
    const { clock, listener, runner } = aRunner();
    runner.submit(aRequest, listener);
    clock.goTo(1_000);
    const { timeToFirstToken, requestLatency, queueTime } = runner.stats;
    expect([timeToFirstToken, requestLatency, queueTime].map(({ count }) => count)).toEqual([
      1, 1, 1,
    ]);
    expect(timeToFirstToken.sum).toBeCloseTo(0.1, 9);
    expect(requestLatency.sum).toBeCloseTo(0.12, 9);
    expect(queueTime.sum).toBe(0);
  });
});
