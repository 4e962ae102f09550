import type { Clock } from "../std/clock.ts";
import { type EngineState, enginesOf } from "./engines.ts";
import type { OpenLoad } from "./load.ts";
import { type DecisionTimes, decisionTimesOf, type Picks } from "./picks.ts";
import type { Stack } from "./stack.ts";
import type { Tally } from "./tally.ts";
import type { DemoView } from "./view.ts";

/** Milliseconds that rates, shares and quantiles of the live view look back. */
const recentMs = 10_000;

/** Milliseconds that the engines and the picker get to answer a look. */
const lookMsMax = 2_000;

export interface ObserverDeps {
  readonly clock: Clock;
  readonly stack: Stack;
  readonly load: OpenLoad;
  readonly tally: Tally;
  readonly picks: Picks;
  /** Duration of the demo; 0 for no end. */
  readonly seconds: number;
}

/** Gathers what the view shows from engines, picker and load. */
export class Observer {
  readonly #deps: ObserverDeps;
  readonly #startMs: number;
  #engines: readonly EngineState[] = [];
  #decisionTimes: DecisionTimes = { decisions: 0, meanMs: undefined };

  constructor(deps: ObserverDeps) {
    this.#deps = deps;
    this.#startMs = deps.clock.nowMs();
  }

  /** Asks engines and picker for their state; keeps the last one if there is no answer. */
  async look(): Promise<void> {
    const { enginesUrl, pickerMetricsUrl } = this.#deps.stack;
    const [engines, metrics] = await Promise.all([pageAt(enginesUrl), pageAt(pickerMetricsUrl)]);
    if (engines !== undefined) this.#engines = enginesOf(engines);
    if (metrics !== undefined) this.#decisionTimes = decisionTimesOf(metrics);
  }

  view(): DemoView {
    const { clock, stack, load, tally, picks, seconds } = this.#deps;
    const nowMs = clock.nowMs();
    const recent = tally.since(nowMs - recentMs);
    const elapsedMs = nowMs - this.#startMs;
    return {
      url: stack.url,
      elapsedSeconds: elapsedMs / 1_000,
      seconds,
      total: tally.total(),
      recent: recent.all,
      requestsPerSecond: (recent.all.requests / Math.max(1, Math.min(elapsedMs, recentMs))) * 1_000,
      requestsUnderWay: load.requestsUnderWay,
      decisionTimes: this.#decisionTimes,
      engines: this.#engines.map((engine) => {
        const ofEngine = recent.byEngine.get(engine.name);
        return {
          ...engine,
          requests: tally.requestsByEngine.get(engine.name) ?? 0,
          trafficShare: ofEngine === undefined ? 0 : ofEngine.requests / recent.all.requests,
          ttft: ofEngine?.ttft,
        };
      }),
      picks: picks.latest,
    };
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
