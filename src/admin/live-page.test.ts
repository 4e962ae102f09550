import { describe, expect, it } from "vitest";
import {
  aLivePage,
  aLiveSource,
  aQueue,
  liveChunks,
  quietRow,
  someLines,
} from "#test/support/live-source.ts";
import { livePageOf } from "./live-page.ts";

describe("/debug/live", () => {
  it("shows an endpoint's load, standing, hits, speed and signals", async () => {
    const answers = { answers: 4, promptTokens: 800, cachedTokens: 200, ttftCount: 2, ttftMs: 300 };
    const { endpoints } = await aLivePage({
      rowOf: (slot) => ({ ...quietRow(slot), waitingRequests: 5 }),
      health: { 2: { phase: "ejected", reason: "slow", evidence: { ttftMs: 900 } } },
      decisions: { answers: new Map([["10.0.0.2:8000", answers]]) },
    });
    expect(endpoints).toHaveLength(3);
    expect(endpoints[2]).toEqual({
      id: "default/engine-2",
      address: "10.0.0.2:8000",
      engine: "vllm",
      phase: "ejected",
      standing: "ejected (slow)",
      evidence: ["first token after 900 ms"],
      takesRequests: false,
      waitingRequests: 5,
      runningRequests: 2,
      kvCacheUsedRatio: 0.2,
      inFlightRequests: 2,
      inFlightTokens: 2_000,
      signalsAgeMs: 50,
      signalsTrust: 1,
      scrapeState: "read",
      missingSignals: [],
      answers,
      prefillTokensPerSecond: 6_002,
      isSpeedLearned: true,
    });
  });

  it("shows the failure of scrapes, and null for signals that were never read", async () => {
    const { endpoints } = await aLivePage({
      count: 1,
      rowOf: () => ({ signalsTrust: 0 }),
      pool: {
        scrapesOf: () => ({ ok: 0, failures: { connect: 3 } }),
        readingOf: () => ({
          url: "http://10.0.0.0:8000/metrics",
          engine: undefined,
          failure: { kind: "connect", reason: "connection refused" },
          missing: [],
        }),
      },
    });
    expect(endpoints[0]).toMatchObject({
      standing: "no metrics (connect 3)",
      scrapeState: "failing",
      scrapeFailure: "connection refused",
      waitingRequests: null,
      signalsAgeMs: null,
    });
  });

  it("gives decisions their wall-clock time", async () => {
    const page = await aLivePage({ decisions: { count: 9, lines: someLines(2) } });
    expect(page.decisionCount).toBe(9);
    expect(page.decisions.map(({ at, id }) => [id, at])).toEqual([
      [2, "2026-01-01T12:00:00.000Z"],
      [1, "2026-01-01T11:59:59.990Z"],
    ]);
  });

  it("shows the queue, the configuration and what is left out, of which at most 200", async () => {
    const leftOut = Array.from({ length: 300 }, (_, index) => ({
      namespace: "n",
      name: `p${index}`,
      reason: "duplicate-address",
    }));
    const page = await aLivePage({ count: 0, queues: aQueue(3), pool: { leftOut } });
    expect(page).toMatchObject({
      pool: { name: "pool", excludedCount: 300 },
      queues: { enabled: true, waitingRequests: 3 },
      config: { hash: "0123456789abcdef", isRefused: false },
      endpoints: [],
    });
    expect(page.pool.excluded).toHaveLength(200);
  });

  it("comes in chunks of 100 endpoints, between which requests get their turn", async () => {
    const chunks = await liveChunks({ count: 1_000 });
    expect(chunks).toHaveLength(12);
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(50_000);
    expect((await aLivePage({ count: 1_000 })).endpoints).toHaveLength(1_000);
  });

  it("reads nothing before its reader does, and serves 8 readers at a time", async () => {
    let reads = 0;
    const source = aLiveSource();
    const live = livePageOf({
      ...source,
      pool: () => {
        reads += 1;
        return source.pool();
      },
    });
    const bodies = Array.from({ length: 8 }, () => live().body);
    expect(reads).toBe(0);
    const readers = bodies.flatMap((body) =>
      typeof body === "string" ? [] : [body[Symbol.asyncIterator]()],
    );
    for (const reader of readers) await reader.next();
    expect(live()).toMatchObject({ httpStatus: 503, headers: { "retry-after": "1" } });
    // One reader leaves.
    await readers[0]?.return?.();
    expect(live().httpStatus).toBe(200);
  });
});
