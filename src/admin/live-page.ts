import { type CertificateLife, isOverdue } from "../std/certificate-life.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { AnswerSums, RecentDecisions } from "../core/recent-decisions.ts";
import { type AdminPage, textPage } from "./admin-server.ts";
import { evidenceTextsOf } from "./evidence-text.ts";
import { endpointPageOf, type ShownPool, sourcePageOf } from "./pool-page.ts";
import { standingTextOf } from "./standing-text.ts";

/** Readers at the same time; each holds one chunk of a page. */
const readersMax = 8;
/** Endpoints per chunk: between two chunks, requests get their turn. */
const endpointsPerChunk = 100;
/** Decisions in one page, and endpoints left out of the pool; the rest are counted. */
export const decisionLinesMax = 50;
const excludedMax = 200;

/** Speed at which an endpoint computes prompts. */
interface PrefillSpeed {
  readonly tokensPerSecond: number;
  /** False if it is that of the pool, or an assumption. */
  readonly isLearned: boolean;
}

/** The configuration in force, and the documents read before and after it, newest first. */
interface ShownConfig {
  readonly hash: string;
  readonly standIn: boolean;
  readonly appliedAt: string;
  readonly warnings: readonly string[];
  readonly isRefused: boolean;
  readonly history: readonly {
    readonly at: string;
    readonly outcome: string;
    readonly hash: string;
    readonly source: string | null;
    readonly mistakeCount: number;
    readonly mistakes: readonly string[];
  }[];
}

/** The queue, as `/debug/queues` shows it. */
type ShownQueues = { readonly enabled: false } | ShownQueue;

interface ShownQueue {
  readonly enabled: true;
  readonly waitingRequests: number;
  readonly heldBytes: number;
  readonly limits: ShownLimits & { readonly noEndpointTtlMs: number | null };
  readonly usageLimitPolicy: string;
  readonly saturation: Readonly<Record<"effective" | "prefill" | "decode", number | null>>;
  readonly bands: readonly {
    readonly priority: number;
    readonly waitingRequests: number;
    readonly withoutEndpoint: number;
    readonly heldBytes: number;
    readonly limits: ShownLimits & { readonly ttlMs: number | null };
    readonly fairnessPolicy: string;
    readonly orderingPolicy: string;
    readonly flowCount: number;
    readonly flows: readonly {
      readonly fairnessId: string;
      readonly waiting: number;
      readonly oldestMs: number;
    }[];
  }[];
}

interface ShownLimits {
  readonly requests: number | null;
  readonly bytes: number | null;
}

/** Everything that the page at `/ui` shows, at the moment of asking. */
export interface LiveSource {
  readonly clock: { nowMs(): number; wallMs(): number };
  readonly pool: () => ShownPool;
  readonly decisions: () => RecentDecisions;
  /** Undefined if nothing learns speeds. */
  readonly speedOf: (endpoint: Endpoint) => PrefillSpeed | undefined;
  readonly config: () => ShownConfig;
  /** The certificates that ports present. */
  readonly certificates: () => readonly (CertificateLife & { readonly port: string })[];
  readonly queues: () => ShownQueues;
}

/** One endpoint of `/debug/live`. */
export type LiveEndpoint = ReturnType<typeof endpointRowOf>;
/** `/debug/live` without its endpoints. */
type LiveHead = ReturnType<typeof headOf>;
/** The page `/debug/live`. */
export type LivePage = LiveHead & { readonly endpoints: readonly LiveEndpoint[] };

/** The page `/debug/live`, made for each reader, in chunks; nothing is kept or computed between them. */
export function livePageOf(source: LiveSource): () => AdminPage {
  let readers = 0;
  async function* counted(): AsyncGenerator<string> {
    readers += 1;
    try {
      yield* chunksOf(source);
    } finally {
      readers -= 1;
    }
  }
  return () => {
    if (readers >= readersMax) {
      return {
        ...textPage(503, `already serving ${readers} other readers; try again later\n`),
        headers: { "retry-after": "1" },
      };
    }
    return {
      httpStatus: 200,
      contentType: "application/json",
      headers: { "cache-control": "no-store" },
      body: counted(),
    };
  };
}

function* chunksOf(source: LiveSource): Generator<string> {
  const decisions = source.decisions();
  const pool = source.pool();
  const head = JSON.stringify(headOf(source, pool, decisions));
  // The head is an object that is not empty: its last brace makes room for the endpoints.
  yield `${head.slice(0, -1)},"endpoints":[`;
  const takers = new Set(pool.takers);
  const { endpoints } = pool;
  for (let start = 0; start < endpoints.length; start += endpointsPerChunk) {
    const rows = endpoints.slice(start, start + endpointsPerChunk).map((endpoint) =>
      JSON.stringify(
        endpointRowOf(endpoint, {
          pool,
          takers,
          answers: decisions.answers.get(endpoint.hostPort),
          speed: source.speedOf(endpoint),
        }),
      ),
    );
    yield `${start === 0 ? "" : ","}${rows.join(",")}`;
  }
  yield "]}\n";
}

function headOf(
  { clock, config, queues, certificates }: LiveSource,
  pool: ShownPool,
  { count, lines }: RecentDecisions,
) {
  const offsetMs = clock.wallMs() - clock.nowMs();
  const excluded = [...(pool.source?.excluded ?? []), ...pool.leftOut];
  return {
    at: new Date(clock.wallMs()).toISOString(),
    pool: {
      name: pool.name,
      notReady: pool.notReady,
      ...sourcePageOf(pool.source, pool.nowMs),
      excludedCount: excluded.length,
      excluded: excluded.slice(0, excludedMax),
    },
    decisionCount: count,
    decisions: lines.map(({ atMs, ...line }) => ({
      at: new Date(atMs + offsetMs).toISOString(),
      ...line,
    })),
    queues: queues(),
    config: config(),
    certificates: certificates().map((life) => ({
      port: life.port,
      endsAt: new Date(life.endMs).toISOString(),
      overdue: isOverdue(life, clock.wallMs()),
    })),
  };
}

interface RowFacts {
  readonly pool: ShownPool;
  readonly takers: ReadonlySet<Endpoint>;
  readonly answers: AnswerSums | undefined;
  readonly speed: PrefillSpeed | undefined;
}

function endpointRowOf(endpoint: Endpoint, { pool, takers, answers, speed }: RowFacts) {
  const page = endpointPageOf(endpoint, pool, takers);
  const { health, scrape, reported, adapters } = page;
  return {
    id: page.id,
    address: page.address,
    engine: page.engine,
    phase: health.phase,
    standing: standingTextOf(page),
    evidence: evidenceTextsOf("evidence" in health ? health.evidence : undefined),
    takesRequests: page.takesRequests,
    ...reported,
    inFlightRequests: page.inFlightRequests,
    inFlightTokens: page.inFlightTokens,
    adapters:
      adapters === null
        ? undefined
        : { active: adapters.active.length, waiting: adapters.waiting.length, max: adapters.max },
    signalsAgeMs: page.signalsAgeMs,
    signalsTrust: page.signalsTrust,
    scrapeState: scrape.state,
    scrapeFailure: scrape.failure?.reason,
    missingSignals: scrape.missing.map(({ signal }) => signal),
    answers,
    prefillTokensPerSecond: speed?.tokensPerSecond,
    isSpeedLearned: speed?.isLearned,
  };
}
