import { defaultEngineOptions, type EngineOptions } from "../simulator/engine-options.ts";
import type { EndpointLine } from "../telemetry/recording/lines.ts";
import { defaultSetup, type Setup } from "./lab/setup.ts";

/** The engines of a replay. */
export interface ReplayedEngines {
  /** One for each endpoint of the recording, in its order. */
  readonly options: readonly EngineOptions[];
  /** Tokens that all block sizes are multiples of. */
  readonly blockTokens: number;
}

/** The results of a calibration. */
export interface Calibration {
  /** Factor on the learned speeds of prefill. */
  readonly speedFactor: number;
  readonly stepBaseMs: number;
  readonly decodeMsPerSequence: number;
}

export const uncalibrated: Calibration = {
  speedFactor: 1,
  stepBaseMs: defaultEngineOptions.stepBaseMs,
  decodeMsPerSequence: defaultEngineOptions.decodeMsPerSequence,
};

/** Engines with the sizes and speeds of a recording. `given`: options of the operator, for all engines. */
export function enginesOf(
  endpoints: readonly EndpointLine[],
  { speedFactor, stepBaseMs, decodeMsPerSequence }: Calibration,
  given: Partial<EngineOptions>,
): ReplayedEngines {
  const usualSpeed = medianSpeed(endpoints);
  const options = endpoints.map((endpoint): EngineOptions => {
    const { blockTokens = defaultEngineOptions.blockTokens, kvBlocks, adaptersMax } = endpoint;
    const learned = endpoint.prefillTokensPerSecond ?? usualSpeed;
    return {
      ...defaultEngineOptions,
      blockTokens,
      kvCacheTokensMax:
        kvBlocks === undefined ? defaultEngineOptions.kvCacheTokensMax : blockTokens * kvBlocks,
      loraSlotsMax: adaptersMax ?? defaultEngineOptions.loraSlotsMax,
      prefillTokensPerSecond: learned * speedFactor,
      stepBaseMs,
      decodeMsPerSequence,
      ...given,
    };
  });
  const blockTokens = options.map((each) => each.blockTokens).reduce(commonDivisor);
  return { options, blockTokens };
}

/** The pool of a replay. */
export function setupOf({ options }: ReplayedEngines): Setup {
  return {
    ...defaultSetup,
    engines: options.length,
    engineOptions: options[0] ?? defaultEngineOptions,
    differing: options,
    // A recording has no hashes of answers, so a later turn cannot be known to contain one.
    cachesAnswers: false,
  };
}

function medianSpeed(endpoints: readonly EndpointLine[]): number {
  const speeds = endpoints.flatMap((each) => each.prefillTokensPerSecond ?? []);
  const sorted = speeds.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? defaultEngineOptions.prefillTokensPerSecond;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
