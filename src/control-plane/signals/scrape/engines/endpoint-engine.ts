import {
  loadSignalLabels,
  type EngineSignals,
  type MissingSignal,
} from "../../../../core/signals.ts";
import { type ParsedExposition, PrometheusTextParser } from "../exposition/prometheus-text.ts";
import { WantedFamilies } from "../exposition/wanted-families.ts";
import {
  type EngineMapping,
  familiesOf,
  foundIn,
  loadSignalCount,
  newestSpecsOf,
  signalsOf,
} from "./mapping.ts";
import { missingSignalsOf, type Page } from "./missing-signals.ts";
import type { EngineChooser } from "./engine-choice.ts";

/** Signals of a scrape, and the engine whose metrics they are. */
export interface EngineReading {
  readonly engine: string;
  readonly signals: EngineSignals;
}

/** A KV cache use above this is a percentage, and so are lower values of the same engine. */
const percentMin = 2;

/**
 * Determines the engine of one endpoint: the one that its labels name, or the one that its metrics
 * show.
 *
 * Without a label the first body is read for all known engines. The default engine is chosen if one
 * of its load signals is there, else the engine with the most load signals; from then on only its
 * families are read. The search continues while there is no load signal.
 */
export class EndpointEngine {
  readonly #chooser: EngineChooser;
  #named: EngineMapping | undefined;
  #found: EngineMapping | undefined;
  /** It reports KV cache use in percent, so that 0.5 means 0.5 % and not one half. */
  #hasPercent = false;
  #missing: readonly MissingSignal[] = [];
  #parser: PrometheusTextParser;

  constructor(chooser: EngineChooser, labels: Readonly<Record<string, string>>) {
    this.#chooser = chooser;
    this.#named = chooser.named(labels);
    this.#parser = this.#createParser();
  }

  /** The signals that the last body does not have. */
  get missing(): readonly MissingSignal[] {
    return this.#missing;
  }

  /** After a restart another build with another unit may run there. */
  restarted(): void {
    this.#hasPercent = false;
  }

  /** The engine that the labels name. */
  get named(): EngineMapping | undefined {
    return this.#named;
  }

  /** Reads the next body; a scrape under way keeps the parser that it started with. */
  get parser(): PrometheusTextParser {
    return this.#parser;
  }

  relabel(labels: Readonly<Record<string, string>>): void {
    const named = this.#chooser.named(labels);
    if (named === this.#named) return;
    this.#named = named;
    this.#found = undefined;
    this.#hasPercent = false;
    this.#parser = this.#createParser();
  }

  /** Undefined if there is no signal of a known engine. */
  read({ families }: ParsedExposition): EngineReading | undefined {
    const { spoilt } = this.#parser;
    const engine = this.#named ?? this.#found ?? this.#detected(families);
    if (engine === undefined) return undefined;
    const signals = this.#withoutPercent(engine, families);
    // Other signals exist in any engine, such as the memory of a process that is still starting.
    this.#setFound(loadSignalCount(signals) > 0 ? engine : undefined);
    if (!isUsable(signals)) return undefined;
    this.#missing = this.#missingIn(engine, { families, spoilt }, signals);
    return { engine: engine.name, signals };
  }

  #withoutPercent(engine: EngineMapping, families: ParsedExposition["families"]): EngineSignals {
    const signals = signalsOf(engine, families);
    const kvCache = foundIn(engine, "kvCacheUsed", families)?.series ?? [];
    this.#hasPercent ||= kvCache.some(({ value }) => value > percentMin && Number.isFinite(value));
    return this.#hasPercent ? { ...signals, kvCacheUsedRatio: undefined } : signals;
  }

  #missingIn(engine: EngineMapping, page: Page, signals: EngineSignals) {
    const missing = missingSignalsOf(engine, page, signals);
    if (!this.#hasPercent) return missing;
    const reason = "above-one" as const;
    return missing.map(({ signal, family, ...why }) =>
      signal === loadSignalLabels.kvCacheUsedRatio && why.reason === "not-a-number"
        ? { signal, family, reason }
        : { signal, family, reason: why.reason },
    );
  }

  #detected(families: ParsedExposition["families"]): EngineMapping | undefined {
    const [first, ...others] = this.#chooser.known;
    if (first === undefined) return undefined;
    const readings = [first, ...others].map((engine) => ({
      engine,
      // Signals that an engine would take from another one do not count for it.
      count: loadSignalCount(signalsOf({ ...engine, fallbacks: [] }, families)),
    }));
    if ((readings[0]?.count ?? 0) > 0) return first;
    const best = readings.reduce((most, reading) => (reading.count > most.count ? reading : most));
    // No load signal of any engine: the default one may have other signals.
    return best.engine;
  }

  #setFound(engine: EngineMapping | undefined): void {
    if (this.#named !== undefined || this.#found === engine) return;
    this.#found = engine;
    this.#parser = this.#createParser();
  }

  #createParser(): PrometheusTextParser {
    const engine = this.#named ?? this.#found;
    const engines = engine === undefined ? this.#chooser.known : [engine];
    const families = new WantedFamilies(engines.flatMap(familiesOf));
    return new PrometheusTextParser(families, newestSpecsOf(engines));
  }
}

/** A start time alone says nothing of the load, and would make an unknown load look fresh. */
function isUsable(signals: EngineSignals): boolean {
  const { attributes, adapters, blockTokens, blocksMax } = signals;
  const others = [adapters, blockTokens, blocksMax];
  return (
    attributes.size > 0 ||
    loadSignalCount(signals) > 0 ||
    others.some((signal) => signal !== undefined)
  );
}
