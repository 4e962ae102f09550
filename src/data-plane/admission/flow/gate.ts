import type { SaturationDetector } from "../../../core/data-plane-plugin.ts";
import type { FlowHold, UsageLimitPolicy } from "../../../core/flow-control.ts";
import { PoolSaturation, type StageSaturation } from "./stages.ts";
import type { PoolNow } from "./waiting.ts";

export interface GateRules {
  readonly detector: SaturationDetector;
  readonly usageLimit: UsageLimitPolicy;
}

/** The answer of the gate at one moment. */
export interface GateReading {
  /** Bands from the first one that may send now. */
  readonly openBands: number;
  /** The reason that the next band waits; undefined if none has to. */
  readonly hold: FlowHold | undefined;
}

/**
 * Decides which bands may send: all from the first one down to the first whose ceiling the saturation has reached, so
 * that no band is served before one above it that has to wait.
 */
export class Gate {
  readonly #saturation = new PoolSaturation();
  #ceilings = new Float64Array(0);
  #last: StageSaturation = { prefill: Number.NaN, decode: Number.NaN, effective: Number.NaN };

  /** The saturation that was read last; NaN before. */
  get last(): StageSaturation {
    return this.#last;
  }

  /** The ceiling of a band by its place, as it was read last. */
  readonly ceilingAt = (index: number): number => this.#ceilings[index] ?? 1;

  read(
    { detector, usageLimit }: GateRules,
    pool: PoolNow,
    priorities: readonly number[],
  ): GateReading {
    this.#last = this.#saturation.of(detector, pool);
    // A request would fail at once.
    const isUseless = pool.endpoints.length === 0 || pool.standing.isCutOff;
    if (isUseless) return { openBands: 0, hold: { kind: "no-endpoints" } };
    if (this.#ceilings.length !== priorities.length) {
      this.#ceilings = new Float64Array(priorities.length);
    }
    const saturation = this.#last.effective;
    const ceilings = this.#ceilings.fill(1);
    usageLimit.limit(saturation, priorities, ceilings);
    for (let index = 0; index < ceilings.length; index += 1) {
      const ceiling = ceilings[index] ?? 1;
      if (saturation >= ceiling) {
        return { openBands: index, hold: { kind: "saturation", saturation, ceiling } };
      }
    }
    return { openBands: priorities.length, hold: undefined };
  }
}
