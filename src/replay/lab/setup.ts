import { defaultEngineOptions, type EngineOptions } from "../../simulator/engine-options.ts";

/** A change of one engine's speed while it runs. */
export interface SpeedChange {
  readonly atMs: number;
  readonly engine: number;
  readonly slowFactor: number;
}

/** Engines that break: they answer every request at once, with a few tokens and without work. */
export interface CurtEngines {
  /** The first ones of the pool. */
  readonly count: number;
  readonly outputTokens: number;
  /** When they break. */
  readonly fromMs: number;
}

/** The pool of a run and what is wrong with it. */
export interface Setup {
  readonly engines: number;
  readonly engineOptions: EngineOptions;
  /** Options of single engines that differ from `engineOptions`; none by default. */
  readonly differing?: readonly Partial<EngineOptions>[] | undefined;
  /** Multiplies the duration of every step, by engine; 1 where it has none. */
  readonly slowFactors: readonly number[];
  readonly speedChanges: readonly SpeedChange[];
  /** Engines, the first ones, that cache no prefixes. */
  readonly uncachedEngines: number;
  readonly curtEngines: CurtEngines;
  /** Pickers that share the engines and see only their own requests. */
  readonly pickers: number;
  /** An engine restarts cold at this interval, one after another; undefined for never. */
  readonly restartEveryMs: number | undefined;
  /** Between two reports of an engine's metrics; undefined: they are off. */
  readonly reportEveryMs: number | undefined;
  /** From the moment that a report shows until the picker has it. */
  readonly reportDelayMs: number;
  /** True if answers tell `cached_tokens`. */
  readonly tellsCachedTokens: boolean;
  /** True if answers tell their usage at all. */
  readonly tellsUsage: boolean;
  /** Share of the answers that come as they are generated, 0 to 1. */
  readonly streamShare: number;
  /** True if engines keep the blocks of answers for the next turn. */
  readonly cachesAnswers: boolean;
  /** True if the picker ejects endpoints. */
  readonly hasHealth: boolean;
}

/** The engines of the routing study: 128 sequences, and blocks large enough to be quick. */
export const defaultSetup: Setup = {
  engines: 8,
  engineOptions: { ...defaultEngineOptions, runningRequestsMax: 128, blockTokens: 64 },
  slowFactors: [],
  speedChanges: [],
  uncachedEngines: 0,
  curtEngines: { count: 0, outputTokens: 1, fromMs: 0 },
  pickers: 1,
  restartEveryMs: undefined,
  reportEveryMs: 200,
  reportDelayMs: 0,
  tellsCachedTokens: true,
  tellsUsage: true,
  streamShare: 1,
  cachesAnswers: true,
  hasHealth: true,
};
