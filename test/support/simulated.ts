import {
  startSimulator,
  type Simulator,
  type SimulatorOptions,
} from "../../src/simulator/simulator.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";

/** Simulated engines on free ports, in the test's own process. */
export function startEngines(options: SimulatorOptions): Promise<Simulator> {
  return startSimulator({ port: 0, ...options }, { clock: systemClock, random: seededRandom(1) });
}

/** Engines that answer at once: for tests of what lies in front of them. */
export const fastEngine = {
  prefillTokensPerSecond: 10_000_000,
  stepBaseMs: 0.1,
  decodeMsPerSequence: 0,
} as const;
