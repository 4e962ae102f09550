import { describe, expect, it } from "vitest";
import { replay, type ReplayOptions } from "#test/support/health-replay.ts";
import {
  arrivals,
  between,
  chats,
  documents,
  mix,
  shortChats,
} from "#test/support/health-workloads.ts";

/**
 * Virtual time. The simulator's default engine gives a single short prompt its first token in about
 * 30 ms.
 */
const lengthMs = 60_000;
const faultAtMs = 20_000;
const seeds = [1, 2];

const four = [{}, {}, {}, {}];
const eight = [...four, ...four];
const smallBatch = {
  runningRequestsMax: 8,
  stepBaseMs: 30,
  decodeMsPerSequence: 0.5,
  kvCacheTokensMax: 60_000,
};

const midBatch = {
  runningRequestsMax: 32,
  stepBaseMs: 15,
  decodeMsPerSequence: 0.3,
  kvCacheTokensMax: 200_000,
};

const pools = {
  "small batches": { engines: eight.map(() => smallBatch), load: chats },
  "batches of 32": { engines: four.map(() => midBatch), load: chats },
  "batches of 256": { engines: four, load: shortChats },
};

type Workload = (seed: number) => ReplayOptions;

const documentsTo = (seed: number, sticksTo: (atMs: number) => number) =>
  documents({ seed: seed + 100, requestsPerSecond: 1, lengthMs }, sticksTo);

const few = (seed: number) => shortChats({ seed, requestsPerSecond: 20, lengthMs });

const healthy: Readonly<Record<string, Workload>> = {
  "short chats next to a tenant with documents that stays on one engine": (seed) => ({
    engines: four,
    requests: [...few(seed), ...documentsTo(seed, () => 1)],
  }),
  "a tenant with documents that moves to another engine": (seed) => ({
    engines: four,
    requests: [...few(seed), ...documentsTo(seed, (atMs) => Math.floor(atMs / 20_000))],
  }),
  "a tenant with documents that starts late, without a prefix index": (seed) => ({
    engines: four,
    knowsPrefixes: false,
    requests: [...few(seed), ...documentsTo(seed, () => 1).filter(({ atMs }) => atMs > faultAtMs)],
  }),
  "one of ten prompts with 20,000 to 50,000 tokens": (seed) => ({
    engines: eight,
    requests: mix({ seed, requestsPerSecond: 11, lengthMs }),
  }),
  "small batches, 60 % busy": (seed) => ({
    engines: eight.map(() => smallBatch),
    requests: chats({ seed, requestsPerSecond: 60, lengthMs }),
  }),
  "adapters that have to be loaded": (seed) => ({
    engines: eight,
    requests: arrivals({ seed, requestsPerSecond: 24, lengthMs }, (random) => {
      const adapter = between(random, 0, 15);
      const promptTokens = between(random, 50, 400);
      const parts = { promptTokens, outputTokens: 30, adapter: `a${adapter}`, client: adapter };
      return { ...parts, sticksTo: adapter < 12 ? adapter % 3 : adapter % 8 };
    }),
  }),
  "GPUs of several generations, between which a tenant with documents moves": (seed) => ({
    engines: [{}, {}, { slowFactor: 3 }, { slowFactor: 5 }],
    requests: [...few(seed), ...documentsTo(seed, (atMs) => 1 + Math.floor(atMs / 20_000))],
  }),
  "bursts that queue for a place at one engine": (seed) => ({
    engines: four.map(() => ({ runningRequestsMax: 16 })),
    requests: [
      ...few(seed),
      ...Array.from({ length: 360 }, (_, index) => ({
        atMs: 10_000 + Math.floor(index / 60) * 8_000 + (index % 60),
        promptTokens: 200,
        outputTokens: 100,
        client: 5,
        sticksTo: 1,
      })),
    ],
  }),
  "prefixes that only one engine has cached": (seed) => ({
    engines: four,
    requests: arrivals({ seed, requestsPerSecond: 6, lengthMs }, (random) =>
      random() < 0.7
        ? {
            promptTokens: 5_000,
            sharedTokens: 4_900,
            prefix: 1,
            outputTokens: 30,
            client: 1,
            sticksTo: 0,
          }
        : { promptTokens: 5_000, outputTokens: 30, client: between(random, 2, 5) },
    ),
  }),
  "prefixes that engines lose without a sign": (seed) => ({
    engines: four.map(() => ({ kvCacheTokensMax: 40_000 })),
    knowsPrefixes: false,
    requests: arrivals({ seed, requestsPerSecond: 6, lengthMs }, (random, atMs) => ({
      promptTokens: 5_000,
      sharedTokens: 4_900,
      prefix: between(random, 0, 3) + (atMs > 30_000 && random() < 0.5 ? 100 : 0),
      outputTokens: 30,
      sticksTo: between(random, 0, 3),
    })),
  }),
  "many long answers at one engine": (seed) => ({
    engines: four,
    requests: [
      ...few(seed),
      ...arrivals({ seed: seed + 100, requestsPerSecond: 8, lengthMs }, () => ({
        promptTokens: 60,
        outputTokens: 2_000,
        client: 1,
        sticksTo: 2,
      })),
    ],
  }),
  "long completions without streaming": (seed) => ({
    engines: four,
    requests: [
      ...few(seed),
      ...arrivals({ seed: seed + 100, requestsPerSecond: 0.2, lengthMs }, (random) => ({
        promptTokens: 100,
        outputTokens: 1_600,
        isStreaming: false,
        sticksTo: between(random, 0, 3),
      })),
    ],
  }),
  "one completion of 16 s without streaming at an otherwise idle engine": (seed) => ({
    engines: four,
    requests: [
      ...shortChats({ seed, requestsPerSecond: 20, lengthMs }, (atMs) => (atMs % 2 < 1 ? 0 : 1)),
      // 1,600 tokens of 10.2 ms
      ...[5_000, 30_000].map((atMs) => ({
        atMs,
        promptTokens: 100,
        outputTokens: 1_600,
        isStreaming: false,
        sticksTo: 3,
      })),
    ],
  }),
  "a few clients that always hang up, each at its engine": (seed) => ({
    engines: four,
    requests: [
      ...few(seed),
      ...arrivals({ seed: seed + 100, requestsPerSecond: 6, lengthMs }, (random) => {
        const client = between(random, 1, 6);
        const leavesAfterMs = [15, 200, 500][client % 3] ?? 15;
        return {
          promptTokens: 200,
          outputTokens: 100,
          client,
          sticksTo: client % 2,
          leavesAfterMs,
        };
      }),
    ],
  }),
};

/** Ordinary work on engines with small batches, which are often full, and engines that pause. */
const full: Readonly<Record<string, Workload>> = {
  "documents next to short chats, small batches": (seed) => ({
    engines: four.map(() => ({ ...smallBatch, kvCacheTokensMax: 100_000 })),
    requests: [
      ...shortChats({ seed, requestsPerSecond: 10, lengthMs }),
      ...documentsTo(seed, () => 1),
    ],
  }),
  "a tenant with documents that moves, small batches, without a prefix index": (seed) => ({
    engines: four.map(() => ({ ...smallBatch, kvCacheTokensMax: 100_000 })),
    knowsPrefixes: false,
    requests: [
      ...shortChats({ seed, requestsPerSecond: 10, lengthMs }),
      ...documentsTo(seed, (atMs) => Math.floor(atMs / 15_000)),
    ],
  }),
  "one of ten prompts with 20,000 to 50,000 tokens, small batches": (seed) => ({
    engines: eight.map(() => ({ ...smallBatch, kvCacheTokensMax: 200_000 })),
    requests: mix({ seed, requestsPerSecond: 8, lengthMs }),
  }),
  "small batches, overloaded": (seed) => ({
    engines: eight.map(() => smallBatch),
    requests: chats({ seed, requestsPerSecond: 110, lengthMs: 30_000 }),
  }),
  "long answers that fill the batch of one engine": (seed) => ({
    engines: four.map(() => smallBatch),
    requests: [
      ...shortChats({ seed, requestsPerSecond: 8, lengthMs }),
      ...arrivals({ seed: seed + 100, requestsPerSecond: 0.5, lengthMs }, () => ({
        promptTokens: 60,
        outputTokens: 400,
        client: 1,
        sticksTo: 2,
      })),
    ],
  }),
  "clients that hang up at engines that are full": (seed) => ({
    engines: four.map(() => smallBatch),
    requests: [
      ...shortChats({ seed, requestsPerSecond: 8, lengthMs }),
      ...arrivals({ seed: seed + 100, requestsPerSecond: 6, lengthMs }, (random) => ({
        promptTokens: 200,
        outputTokens: 100,
        client: between(random, 1, 6),
        sticksTo: between(random, 0, 1),
        leavesAfterMs: [15, 200, 500][between(random, 0, 2)] ?? 15,
      })),
    ],
  }),
  "adapters that have to be loaded, small batches": (seed) => ({
    engines: eight.map(() => ({ ...smallBatch, loraSlotsMax: 2 })),
    requests: arrivals({ seed, requestsPerSecond: 16, lengthMs }, (random) => {
      const adapter = between(random, 0, 15);
      const parts = { promptTokens: between(random, 50, 400), outputTokens: 30 };
      return { ...parts, adapter: `a${adapter}`, client: adapter, sticksTo: adapter % 8 };
    }),
  }),
  "an engine that pauses for a second now and then": (seed) => ({
    engines: four,
    requests: shortChats({ seed, requestsPerSecond: 40, lengthMs }),
    // One step of 12 ms takes 80 times as long.
    changes: pauses({ engine: 1, lengthMs: 12, everyMs: 8_000, slowFactor: 80 }),
  }),
  "an engine with a small batch that pauses for a second now and then": (seed) => ({
    engines: eight.map(() => smallBatch),
    requests: chats({ seed, requestsPerSecond: 60, lengthMs }),
    changes: pauses({ engine: 1, lengthMs: 32, everyMs: 8_000, slowFactor: 30 }),
  }),
  "all engines with small batches that become ten times slower together": (seed) => ({
    engines: eight.map(() => smallBatch),
    requests: chats({ seed, requestsPerSecond: 40, lengthMs: 40_000 }),
    changes: eight.map((_, engine) => ({
      atMs: faultAtMs,
      engine,
      options: { slowFactor: 10 },
    })),
  }),
};

function pauses({
  engine,
  lengthMs: pauseMs,
  everyMs,
  slowFactor,
}: {
  readonly engine: number;
  readonly lengthMs: number;
  readonly everyMs: number;
  readonly slowFactor: number;
}) {
  return Array.from({ length: Math.floor(lengthMs / everyMs) }, (_, index) => {
    const atMs = 5_000 + index * everyMs;
    return [
      { atMs, engine, options: { slowFactor } },
      { atMs: atMs + pauseMs, engine, options: { slowFactor: 1 } },
    ];
  }).flat();
}

describe("health over a workload in virtual time", () => {
  it.each(Object.entries({ ...healthy, ...full }))("blames no engine for %s", (_, workload) => {
    for (const seed of seeds) expect(replay(workload(seed)).events).toEqual([]);
  });

  it.each([
    [5, 20_000],
    [8, 20_000],
  ])("ejects an engine that becomes %d times slower, within %d ms", (slowFactor, withinMs) => {
    for (const seed of seeds) {
      const { events } = replay({
        engines: four,
        requests: shortChats({ seed, requestsPerSecond: 40, lengthMs }),
        changes: [{ atMs: faultAtMs, engine: 2, options: { slowFactor } }],
      });
      const [first] = events;
      expect(first).toMatchObject({ kind: "ejected", reason: "slow", endpoint: { slot: 2 } });
      expect(first?.atMs).toBeGreaterThan(faultAtMs);
      expect(first?.atMs).toBeLessThan(faultAtMs + withinMs);
      expect(events.every(({ endpoint }) => endpoint.slot === 2)).toBe(true);
      expect(first?.evidence["factor"]).toBeGreaterThan(3);
      expect(first?.evidence["ttftMs"]).toBeGreaterThan(3 * (first?.evidence["usualMs"] ?? 0));
      expect(first?.evidence["ttftMs"]).toBeGreaterThan(
        3 * (first?.evidence["othersUsualMs"] ?? 0),
      );
    }
  });

  it.each([
    // [engines, requests a second, times slower, ms]: the later of two seeds, rounded up
    ["small batches", 40, 10, 5_000],
    ["small batches", 60, 4, 8_000],
    ["small batches", 60, 10, 5_000],
    ["batches of 32", 60, 4, 3_000],
    ["batches of 32", 60, 10, 5_000],
    ["batches of 256", 20, 4, 4_000],
    ["batches of 256", 20, 10, 6_000],
    ["batches of 256", 40, 4, 2_000],
    ["batches of 256", 40, 10, 2_000],
    ["batches of 256", 100, 4, 2_000],
    ["batches of 256", 100, 10, 2_000],
  ] as const)(
    "ejects one of several engines with %s, %d requests/s, if it is %d times slower, within %d ms",
    (...[kind, requestsPerSecond, slowFactor, withinMs]) => {
      const { engines, load } = pools[kind];
      for (const seed of seeds) {
        const { events } = replay({
          engines,
          requests: load({ seed, requestsPerSecond, lengthMs: faultAtMs + withinMs }),
          changes: [{ atMs: faultAtMs, engine: 2, options: { slowFactor } }],
        });
        expect(events).toMatchObject([{ kind: "ejected", reason: "slow", endpoint: { slot: 2 } }]);
        expect(events[0]?.atMs).toBeGreaterThan(faultAtMs);
      }
    },
  );

  it("keeps an engine that is at a third of the others' speed from the beginning", () => {
    for (const seed of seeds) {
      const { events } = replay({
        engines: [{}, {}, { slowFactor: 3 }, {}],
        requests: shortChats({ seed, requestsPerSecond: 40, lengthMs }),
      });
      expect(events).toEqual([]);
    }
  });

  it("keeps all if all become slower together", () => {
    for (const seed of seeds) {
      const { events } = replay({
        engines: four,
        requests: shortChats({ seed, requestsPerSecond: 20, lengthMs }),
        changes: four.map((_, engine) => ({ atMs: faultAtMs, engine, options: { slowFactor: 5 } })),
      });
      expect(events).toEqual([]);
    }
  });

  it("returns a slow engine when it is as fast as before", () => {
    const { events } = replay({
      engines: four,
      requests: shortChats({ seed: 1, requestsPerSecond: 40, lengthMs: 120_000 }),
      changes: [
        { atMs: faultAtMs, engine: 2, options: { slowFactor: 8 } },
        { atMs: 45_000, engine: 2, options: { slowFactor: 1 } },
      ],
    });
    expect(events.at(-1)).toMatchObject({ kind: "returned", reason: "slow" });
  });
});
