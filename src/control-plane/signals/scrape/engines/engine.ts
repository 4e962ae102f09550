import type { EngineSignals } from "../../../../core/signals.ts";
import type { Sample } from "../sample-line.ts";

/** Samples by family, as one scrape read them. A family that was malformed is missing. */
type FamilySamples = ReadonlyMap<string, readonly Sample[]>;

/** How one kind of engine tells its load. */
export interface Engine {
  /** The name configuration and the engine-type label use. */
  readonly name: string;
  /** The metric families to read; every other line is skipped. */
  readonly families: readonly string[];
  /** What the samples mean; a signal that is missing or makes no sense is undefined. */
  signalsOf(samples: FamilySamples): EngineSignals;
}
