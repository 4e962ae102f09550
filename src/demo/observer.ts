import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "../std/clock.ts";
import { type EngineState, enginesOf } from "./engines.ts";
import type { Events } from "./events.ts";
import { type DecisionTimes, decisionTimesOf, type Picks } from "./picks.ts";
import { type PolicyName, policyNames } from "./policies.ts";
import type { Stack } from "./stack.ts";
import type { Tallied, Tally } from "./tally.ts";
import type { DemoView, PoolView } from "./view.ts";

/** Milliseconds that shares and quantiles of the live view look back. */
const recentMs = 20_000;

/** Milliseconds that the engines and the picker get to answer a look. */
const lookMsMax = 2_000;

/** Milliseconds between two samples of the event loop's delay. */
const delaySampleMs = 10;

/** A load's results at one of the pools. */
interface Lane {
  readonly tally: Tally;
  readonly target: { readonly requestsUnderWay: number };
}

/** Seconds before which delays are those of the start. */
const lateSecondsMin = 5;

export interface ObserverDeps {
  readonly clock: Clock;
  readonly stack: Stack;
  readonly load: { readonly requestsSent: number };
  readonly lanes: Readonly<Record<PolicyName, Lane>>;
  readonly picks: Picks;
  readonly events: Events;
  readonly loadText: string;
  /** Duration of the demo; 0 for no end. */
  readonly seconds: number;
}

/** Gathers what the view shows from engines, picker and load. */
export class Observer {
  readonly #deps: ObserverDeps;
  readonly #startMs: number;
  readonly #loopDelay = monitorEventLoopDelay({ resolution: delaySampleMs });
  readonly #engines: Record<PolicyName, readonly EngineState[]> = { roundRobin: [], pointsman: [] };
  #decisionTimes: DecisionTimes = { decisions: 0, meanMs: undefined };

  constructor(deps: ObserverDeps) {
    this.#deps = deps;
    this.#startMs = deps.clock.nowMs();
    this.#loopDelay.enable();
  }

  /** Seconds since the start. */
  get elapsedSeconds(): number {
    return (this.#deps.clock.nowMs() - this.#startMs) / 1_000;
  }

  /** Asks engines and picker for their state; keeps the last one if there is no answer. */
  async look(): Promise<void> {
    const { stack } = this.#deps;
    const { adminUrl } = stack.pointsman;
    const [metrics] = await Promise.all([
      adminUrl === undefined ? undefined : pageAt(`${adminUrl}/metrics`),
      ...policyNames.map(async (policy) => {
        const page = await pageAt(stack[policy].enginesUrl);
        if (page !== undefined) this.#engines[policy] = enginesOf(page);
      }),
    ]);
    if (metrics !== undefined) this.#decisionTimes = decisionTimesOf(metrics);
  }

  view(): DemoView {
    const { stack, load, picks, events, seconds, loadText } = this.#deps;
    return {
      url: stack.pointsman.url,
      elapsedSeconds: this.elapsedSeconds,
      seconds,
      loadText,
      requestsSent: load.requestsSent,
      pools: { roundRobin: this.#poolView("roundRobin"), pointsman: this.#poolView("pointsman") },
      decisionTimes: this.#decisionTimes,
      picks: picks.latest,
      events: events.latest,
      lateMs: this.#lateMs(),
    };
  }

  close(): void {
    this.#loopDelay.disable();
  }

  #poolView(policy: PolicyName): PoolView {
    const { tally, target } = this.#deps.lanes[policy];
    const recent = tally.since(this.#deps.clock.nowMs() - recentMs);
    return {
      total: tally.total(),
      recent: recent.all,
      requestsUnderWay: target.requestsUnderWay,
      engines: this.#engines[policy].map((engine) => {
        const ofEngine: Tallied | undefined = recent.byEngine.get(engine.name);
        return {
          ...engine,
          trafficShare: ofEngine === undefined ? 0 : ofEngine.requests / recent.all.requests,
          ttft: ofEngine?.ttft,
        };
      }),
    };
  }

  /** The delay that 95 of 100 moments of this process did not exceed. */
  #lateMs(): number {
    if (this.elapsedSeconds < lateSecondsMin) return 0;
    const sampledMs = this.#loopDelay.percentile(95) / 1e6;
    return Number.isFinite(sampledMs) ? Math.max(0, sampledMs - delaySampleMs) : 0;
  }
}

async function pageAt(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(lookMsMax) });
    return await response.text();
  } catch {
    // The crew notices a child that died; one that is slow is asked again.
    return undefined;
  }
}
