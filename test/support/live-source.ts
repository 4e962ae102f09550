import { type LivePage, livePageOf, type LiveSource } from "../../src/admin/live-page.ts";
import type { ShownPool } from "../../src/admin/pool-page.ts";
import type { HealthState } from "../../src/core/health-settings.ts";
import { aLoad, endpoints, type LoadRow } from "./builders.ts";

type Decisions = ReturnType<LiveSource["decisions"]>;
type Queues = ReturnType<LiveSource["queues"]>;
type Config = ReturnType<LiveSource["config"]>;

/** A picker's state for the live page; the parts left out are those of a quiet pool. */
export interface LiveParts {
  readonly count?: number;
  readonly rowOf?: (slot: number) => LoadRow;
  /** Slots of endpoints that are ejected, with their states. */
  readonly health?: Readonly<Record<number, HealthState>>;
  readonly pool?: Partial<ShownPool>;
  readonly decisions?: Partial<Decisions>;
  readonly queues?: Queues;
  readonly config?: Partial<Config>;
  readonly certificates?: ReturnType<LiveSource["certificates"]>;
}

const nowMs = 100_000;
const wallMs = Date.UTC(2026, 0, 1, 12);

const ready: HealthState = { phase: "ready" };

/** What `livePageOf` reads, from literals. */
export function aLiveSource({
  count = 3,
  rowOf = quietRow,
  health = {},
  ...parts
}: LiveParts = {}): LiveSource {
  const all = endpoints(count);
  const pool: ShownPool = {
    name: "pool",
    notReady: [],
    endpoints: all,
    takers: all,
    leftOut: [],
    load: aLoad(all.map(({ slot }) => rowOf(slot))),
    nowMs,
    engineOf: () => "vllm",
    scrapesOf: () => ({ ok: 1, failures: {} }),
    healthOf: ({ slot }) => health[slot] ?? ready,
    readingOf: () => undefined,
    ...parts.pool,
  };
  return {
    clock: { nowMs: () => nowMs, wallMs: () => wallMs },
    pool: () => pool,
    decisions: () => ({ count: 0, lines: [], answers: new Map(), ...parts.decisions }),
    speedOf: ({ slot }) => ({ tokensPerSecond: 6_000 + slot, isLearned: slot > 0 }),
    queues: () => parts.queues ?? { enabled: false },
    certificates: () => parts.certificates ?? [],
    config: () => ({
      hash: "0123456789abcdef",
      standIn: false,
      appliedAt: new Date(wallMs - 60_000).toISOString(),
      warnings: [],
      isRefused: false,
      history: [],
      ...parts.config,
    }),
  };
}

/** The page's chunks, as its reader gets them. */
export async function liveChunks(parts: LiveParts): Promise<readonly string[]> {
  const { body } = livePageOf(aLiveSource(parts))();
  if (typeof body === "string") throw new Error(body);
  const chunks: string[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return chunks;
}

export async function aLivePage(parts: LiveParts): Promise<LivePage> {
  // The page is what livePageOf writes.
  return JSON.parse((await liveChunks(parts)).join("")) as LivePage;
}

export function quietRow(slot: number): LoadRow {
  return {
    waitingRequests: 0,
    runningRequests: slot % 9,
    kvCacheUsedRatio: (slot % 10) / 10,
    signalsAtMs: nowMs - 50,
    signalsTrust: 1,
    inFlightRequests: slot % 9,
    inFlightTokens: (slot % 9) * 1_000,
  };
}

/** Decisions as the page lists them, newest first, each for the endpoint whose slot is its number's remainder. */
export function someLines(
  count: number,
  parts: Partial<Decisions["lines"][number]> = {},
): Decisions["lines"] {
  return Array.from({ length: count }, (_, index) => {
    const id = count - index;
    return {
      id,
      requestId: `request-${id}`,
      atMs: nowMs - index * 10,
      model: "llama",
      priority: 0,
      promptTokens: 1_000,
      candidates: 3,
      picked: `default/engine-${id % 3}`,
      predicted: { ttftMs: 120, tpotMs: 12, cachedTokens: 512 },
      actual: undefined,
      ...parts,
    };
  });
}

export function aQueue(waiting: number): Queues {
  return {
    enabled: true,
    waitingRequests: waiting,
    heldBytes: waiting * 10_000,
    limits: { requests: 5_000, bytes: null, noEndpointTtlMs: 30_000 },
    usageLimitPolicy: "static-usage-limit-policy",
    saturation: { effective: 1.04, prefill: 1.04, decode: 0.4 },
    bands: [
      {
        priority: 0,
        waitingRequests: waiting,
        withoutEndpoint: 0,
        heldBytes: waiting * 10_000,
        limits: { requests: 1_000, bytes: 1_000_000_000, ttlMs: 60_000 },
        fairnessPolicy: "round-robin-fairness-policy",
        orderingPolicy: "fcfs-ordering-policy",
        flowCount: 2,
        flows: [
          { fairnessId: "tenant-a", waiting: waiting - 1, oldestMs: 4_200 },
          { fairnessId: "tenant-b", waiting: 1, oldestMs: 300 },
        ],
      },
    ],
  };
}
