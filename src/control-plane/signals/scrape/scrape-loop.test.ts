import type { Dispatcher } from "undici";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { EndpointStore } from "../../../state/endpoint-store.ts";
import { engineChooser } from "./engines/registry.ts";
import { pauseMsOf, ScrapeLoop } from "./scrape-loop.ts";

const pace = { intervalMs: 50, timeoutMs: 1_000, backoffMsMax: 1_000 };

describe("pauseMsOf", () => {
  it.each([
    // A scrape that took 20 of 50 ms leaves 30.
    { failures: 0, elapsedMs: 20, pauseMs: 30 },
    // A slow engine rests for half the interval.
    { failures: 0, elapsedMs: 40, pauseMs: 25 },
    { failures: 0, elapsedMs: 900, pauseMs: 25 },
    // 50 * 2, 50 * 2^4, and the bound.
    { failures: 1, elapsedMs: 900, pauseMs: 100 },
    { failures: 4, elapsedMs: 0, pauseMs: 800 },
    { failures: 5, elapsedMs: 0, pauseMs: 1_000 },
    { failures: 5_000, elapsedMs: 0, pauseMs: 1_000 },
  ])("is $pauseMs ms after $failures failures and a scrape of $elapsedMs ms", (row) => {
    expect(pauseMsOf(pace, row.failures, row.elapsedMs)).toBe(row.pauseMs);
  });

  it("never backs off to less than a long interval", () => {
    expect(pauseMsOf({ ...pace, intervalMs: 5_000 }, 3, 0)).toBe(5_000);
  });
});

/** When each scrape began, in a loop under fake time against an engine that `answers`. */
async function startsOf(random: () => number, answers: boolean, durationMs: number) {
  const clock = new FakeClock();
  const store = new EndpointStore({ slotsMax: 1 });
  const [endpoint] = store.apply([
    { id: "d/a", namespace: "d", name: "a", address: "::1", port: 8_000, labels: {} },
  ]).added;
  if (endpoint === undefined) throw new Error("the store took the endpoint");
  const startsMs: number[] = [];
  const origins = new Set<unknown>();
  const silentController = { abort: () => undefined } as unknown;
  const dispatcher: Pick<Dispatcher, "dispatch"> = {
    dispatch({ origin }, handler) {
      startsMs.push(clock.nowMs());
      origins.add(origin);
      // The exchange calls nothing but `abort` on its controller.
      const controller = silentController as Dispatcher.DispatchController;
      handler.onRequestStart?.(controller, {});
      if (!answers) return true;
      handler.onResponseStart?.(controller, 200, {});
      handler.onResponseData?.(controller, Buffer.from("vllm:num_requests_waiting 1\n"));
      handler.onResponseEnd?.(controller, {});
      return true;
    },
  };
  const loop = new ScrapeLoop(
    endpoint,
    { ...pace, scheme: "http", path: "/metrics", port: undefined, engineOf: engineChooser({}) },
    {
      // The loop only dispatches.
      dispatcher: dispatcher as Dispatcher,
      store,
      clock,
      random,
      log: { info: () => undefined, warn: () => undefined },
      metrics: { scraped: () => undefined, malformed: () => undefined },
    },
  );
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await clock.advance(durationMs);
  stop.abort();
  await running;
  expect(clock.pendingTimers).toBe(0);
  expect([...origins]).toEqual(["http://[::1]:8000"]);
  return startsMs.map((startMs) => Math.round(startMs));
}

describe("ScrapeLoop", () => {
  it("begins at a random phase and keeps its interval", async () => {
    // Random 0.5 everywhere: half an interval at first, then no jitter.
    expect(await startsOf(() => 0.5, true, 200)).toEqual([25, 75, 125, 175]);
  });

  it("stretches or shortens each pause by up to 10 %", async () => {
    expect(await startsOf(() => 0, true, 140)).toEqual([0, 45, 90, 135]);
    // 0.999999: the phase is all but 50 ms, pauses all but 55.
    expect(await startsOf(() => 0.999_999, true, 170)).toEqual([50, 105, 160]);
  });

  it("gives a scrape its time and backs off after each failure, but never stops", async () => {
    // Each scrape takes the 1,000 ms of its timeout; pauses are 100, 200, 400, 800, 1,000, 1,000.
    expect(await startsOf(() => 0.5, false, 9_000)).toEqual([
      25, 1_125, 2_325, 3_725, 5_525, 7_525,
    ]);
  });
});
