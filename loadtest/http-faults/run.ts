import { Agent } from "node:http";
import type { EngineSettings } from "../../src/simulator/engine-settings.ts";
import { askOnce, type Outcome, type Seen } from "./client.ts";
import { type Fault, noFault } from "./faults.ts";

/** A gateway, and the engines behind it. */
export interface Stack {
  readonly origin: string;
  /** Changes one engine, or all of them. */
  readonly set: (settings: Partial<EngineSettings>, isOfAll: boolean) => Promise<void>;
  /** Sum of the samples of a metric of the gateway. */
  readonly metric: (name: string) => Promise<number>;
}

export interface Load {
  /** Each sends its next request after an answer. */
  readonly clients: number;
  /** Requests while the fault lasts. */
  readonly requests: number;
}

export interface FaultResult {
  readonly fault: string;
  readonly counts: Readonly<Partial<Record<Outcome, number>>>;
  /** Times of good answers in milliseconds, sorted. */
  readonly okMs: readonly number[];
  readonly retries: number;
  readonly hedges: number;
  /** Requests that failed after the fault was over. */
  readonly failedAfter: number;
  /** Seconds from the end of the fault to the first round of good answers; undefined if there was none. */
  readonly recoveredS: number | undefined;
}

/** Rounds of requests after a fault, one for each client, until all of one are good. */
const roundsMax = 400;

/** Requests of each client before the fault: the gateway learns what is usual. */
const warmUpRounds = 8;

/** Share of the requests after which a sudden fault strikes. */
const suddenAt = 0.25;

/** Sends requests while a fault lasts, and then until all is well again. */
export async function runFault(stack: Stack, fault: Fault, load: Load): Promise<FaultResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.clients });
  const isOfAll = fault.isOfAll === true;
  try {
    const crew = new Crew(stack, agent, load.clients);
    await crew.send(warmUpRounds * load.clients);
    const [retriesBefore, hedgesBefore] = await countersOf(stack);
    const isSudden = fault.isSudden === true;
    if (!isSudden) await stack.set(fault.settings, isOfAll);
    const strikes = isSudden ? () => stack.set(fault.settings, isOfAll) : undefined;
    const seen = await crew.send(load.requests, strikes);
    const [retries, hedges] = await countersOf(stack);
    await stack.set(noFault, isOfAll);
    const after = await recovery(crew, load.clients);
    return {
      fault: fault.name,
      counts: countsOf(seen),
      okMs: okTimesOf(seen),
      retries: retries - retriesBefore,
      hedges: hedges - hedgesBefore,
      ...after,
    };
  } finally {
    agent.destroy();
  }
}

async function countersOf(stack: Stack): Promise<readonly [retries: number, hedges: number]> {
  return [
    await stack.metric("pointsman_retries_total"),
    await stack.metric("pointsman_hedges_total"),
  ];
}

async function recovery(
  crew: Crew,
  clients: number,
): Promise<Pick<FaultResult, "failedAfter" | "recoveredS">> {
  const startMs = performance.now();
  let failedAfter = 0;
  for (let round = 1; round <= roundsMax; round += 1) {
    const seen = await crew.send(clients);
    const failed = seen.filter(({ outcome }) => outcome !== "ok").length;
    failedAfter += failed;
    if (failed === 0) return { failedAfter, recoveredS: (performance.now() - startMs) / 1_000 };
  }
  return { failedAfter, recoveredS: undefined };
}

/** Clients that send requests at the same time. */
class Crew {
  readonly #stack: Stack;
  readonly #agent: Agent;
  readonly #clients: number;
  #sent = 0;

  constructor(stack: Stack, agent: Agent, clients: number) {
    this.#stack = stack;
    this.#agent = agent;
    this.#clients = clients;
  }

  /** Sends so many requests; `strikes` runs once in the middle of them. */
  async send(requests: number, strikes?: () => Promise<void>): Promise<readonly Seen[]> {
    const seen: Seen[] = [];
    const strikeAt = Math.floor(requests * suddenAt);
    const struck: Promise<void>[] = [];
    let left = requests;
    const client = async () => {
      while (left > 0) {
        left -= 1;
        if (requests - left === strikeAt && strikes !== undefined) struck.push(strikes());
        this.#sent += 1;
        seen.push(await askOnce(this.#stack.origin, this.#agent, `question ${this.#sent}`));
      }
    };
    await Promise.all(Array.from({ length: this.#clients }, client));
    await Promise.all(struck);
    return seen;
  }
}

function countsOf(seen: readonly Seen[]): FaultResult["counts"] {
  const counts: Partial<Record<Outcome, number>> = {};
  for (const { outcome } of seen) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

function okTimesOf(seen: readonly Seen[]): readonly number[] {
  const good = seen.filter(({ outcome }) => outcome === "ok");
  return good.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
}
