import type { EngineOptions } from "../simulator/engine-options.ts";
import type { EndpointLine } from "../telemetry/recording/lines.ts";
import { type Calibration, enginesOf, uncalibrated } from "./engines.ts";
import { type Outcome, replayedOutcomes } from "./outcomes.ts";
import { patternSearch } from "./pattern-search.ts";
import { type Placed, runPlaced } from "./placed-run.ts";
import type { RequestLine } from "../telemetry/recording/lines.ts";

const evaluationsMax = 60;
/** Requests that a calibration runs; of a longer recording the first ones. */
const requestsMax = 5_000;
/** Overheads of networks and proxies above this are something else. */
const overheadMsMax = 200;

export interface CalibrationInputs {
  readonly requests: readonly RequestLine[];
  readonly placed: readonly Placed[];
  readonly recorded: readonly Outcome[];
  readonly endpoints: readonly EndpointLine[];
  readonly given: Partial<EngineOptions>;
  readonly onEvaluated?: ((evaluations: number, loss: number) => void) | undefined;
}

export interface Calibrated {
  readonly calibration: Calibration;
  /** Milliseconds that every time has besides those of the engines. */
  readonly overheadMs: number;
  /** Mean absolute error of the times of single requests, as a share of the mean. */
  readonly loss: number;
}

/** Finds the speed of the engines at which the requests, placed where they went, take the time that they took. */
export async function calibrate(inputs: CalibrationInputs): Promise<Calibrated> {
  const count = Math.min(requestsMax, inputs.requests.length);
  const [requests, placed] = [inputs.requests.slice(0, count), inputs.placed.slice(0, count)];
  const recorded = inputs.recorded.slice(0, count);
  const replayed = (values: readonly number[]) => {
    const { options } = enginesOf(inputs.endpoints, calibrationOf(values), inputs.given);
    return replayedOutcomes(requests, runPlaced(placed, options), { overheadMs: 0, startMs: 0 });
  };
  const { speedFactor, stepBaseMs, decodeMsPerSequence } = uncalibrated;
  const found = await patternSearch({
    numbers: [
      { name: "speedFactor", start: speedFactor, min: 0.05, max: 20 },
      { name: "stepBaseMs", start: stepBaseMs, min: 0.5, max: 500 },
      { name: "decodeMsPerSequence", start: decodeMsPerSequence, min: 0.005, max: 20 },
    ],
    loss: (values) => lossOf(recorded, replayed(values)),
    evaluationsMax,
    firstFactor: 1.5,
    lastFactor: 1.02,
    onEvaluated: inputs.onEvaluated,
  });
  const overheadMs = overheadOf(recorded, replayed(found.values));
  return { calibration: calibrationOf(found.values), overheadMs, loss: found.loss };
}

function calibrationOf([
  speedFactor = 1,
  stepBaseMs = 1,
  decodeMsPerSequence = 1,
]: readonly number[]) {
  return { speedFactor, stepBaseMs, decodeMsPerSequence };
}

/** Absolute errors of TTFT and TPOT, or of whole answers if none streams, each as a share of its sum. */
function lossOf(recorded: readonly Outcome[], replayed: readonly Outcome[]): number {
  const ttft = errorOf(recorded, replayed, ({ ttftMs }) => ttftMs);
  const tpot = errorOf(recorded, replayed, ({ tpotMs }) => tpotMs);
  if (ttft !== undefined) return ttft + (tpot ?? 0);
  return errorOf(recorded, replayed, ({ e2eMs }) => e2eMs) ?? 0;
}

function errorOf(
  recorded: readonly Outcome[],
  replayed: readonly Outcome[],
  of: (outcome: Outcome) => number | undefined,
): number | undefined {
  let [errors, sum] = [0, 0];
  for (const [index, outcome] of recorded.entries()) {
    const [was, is] = [of(outcome), of(replayed[index] ?? outcome)];
    if (was === undefined) continue;
    sum += was;
    errors += Math.abs((is ?? 0) - was);
  }
  return sum === 0 ? undefined : errors / sum;
}

/** The median of what recorded times have more; a negative one is an error of the engines, and no overhead. */
function overheadOf(recorded: readonly Outcome[], replayed: readonly Outcome[]): number {
  const more = recorded.flatMap(({ ttftMs, e2eMs }, index) => {
    const other = replayed[index];
    const [was, is] = ttftMs === undefined ? [e2eMs, other?.e2eMs] : [ttftMs, other?.ttftMs];
    return was === undefined || is === undefined ? [] : [was - is];
  });
  const median = more.toSorted((a, b) => a - b)[more.length >> 1] ?? 0;
  return Math.min(overheadMsMax, Math.max(0, median));
}
