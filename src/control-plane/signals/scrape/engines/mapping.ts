import type { EngineSignals } from "../../../../core/signals.ts";
import { type MetricSpec, selected } from "../exposition/metric-spec.ts";
import type { Sample } from "../exposition/sample-line.ts";
import { adapterStateOf } from "./lora-info.ts";
import { countIn, meanOf, meanRatioOf, newestOf, totalOf, wholeIn } from "./series.ts";

/**
 * Metrics of a signal: the first one that has a series counts. If empty, the signal is not read.
 */
export type SignalSpecs = readonly MetricSpec[];

/** The metrics of one kind of engine, by signal; plain data that can go to another thread. */
export interface EngineMapping {
  /** The name that configuration and the engine-type label use. */
  readonly name: string;
  readonly waiting: SignalSpecs;
  readonly running: SignalSpecs;
  readonly kvCacheUsed: SignalSpecs;
  readonly adapters: SignalSpecs;
  /** Families whose labels hold block size and block count. */
  readonly cacheInfo: SignalSpecs;
  readonly blockTokensLabel: string;
  readonly blocksMaxLabel: string;
  /** Families whose values are block size and block count. */
  readonly blockTokens: SignalSpecs;
  readonly blocksMax: SignalSpecs;
  /** Counters of its prefix cache; the first pair of which both have a series counts. Default those of its fallbacks. */
  readonly prefixCache?: readonly PrefixCounters[];
  readonly attributes: readonly { readonly key: string; readonly spec: MetricSpec }[];
  /**
   * Labels of workers that share one queue and may each report it: of series with the same other
   * labels, only the one with the lowest values counts.
   */
  readonly sharedLabels: readonly string[];
  /** Engines whose metrics are read for a signal if its own metric is named and has no series. */
  readonly fallbacks?: readonly EngineMapping[];
  /** Signals that were switched off; they are never reported as missing. */
  readonly off?: readonly SignalField[];
  /** Path of its metrics, if it is not the usual one. */
  readonly metricsPath?: string;
}

/** Counters of prompt tokens that were looked up in a prefix cache, and of those that were found. */
interface PrefixCounters {
  readonly lookedUp: MetricSpec;
  readonly hits: MetricSpec;
}

/** The parts of a mapping that hold specs of signals. */
export type SignalField =
  | "waiting"
  | "running"
  | "kvCacheUsed"
  | "adapters"
  | "cacheInfo"
  | "blockTokens"
  | "blocksMax";

/** Samples of one scrape by family. A malformed family is missing. */
type FamilySamples = ReadonlyMap<string, readonly Sample[]>;

/** Unix seconds at which the process started; every client library of Prometheus reports it. */
const processStart: MetricSpec = { family: "process_start_time_seconds", labels: {} };

/** A mapping that reads nothing, as a base for others. */
export const emptyMapping: Omit<EngineMapping, "name"> = {
  waiting: [],
  running: [],
  kvCacheUsed: [],
  adapters: [],
  cacheInfo: [],
  blockTokensLabel: "",
  blocksMaxLabel: "",
  blockTokens: [],
  blocksMax: [],
  attributes: [],
  sharedLabels: [],
};

/** A family without a condition on its labels. */
export function family(name: string, labels: Readonly<Record<string, string>> = {}): MetricSpec {
  return { family: name, labels };
}

const signalFields: readonly SignalField[] = [
  "waiting",
  "running",
  "kvCacheUsed",
  "adapters",
  "cacheInfo",
  "blockTokens",
  "blocksMax",
];

/** The families to read for an engine; every other line is skipped. */
export function familiesOf(mapping: EngineMapping): readonly string[] {
  const specs = [...wholeSpecsOf(mapping), ...specsOf(mapping, ["adapters"])];
  return [...new Set(specs.map((spec) => spec.family))];
}

/**
 * The series of which only the newest counts: vLLM never drops a set of adapters that it once had.
 * A family that one of these engines needs whole is not included.
 */
export function newestSpecsOf(mappings: readonly EngineMapping[]): readonly MetricSpec[] {
  const whole = new Set(mappings.flatMap(wholeSpecsOf).map((spec) => spec.family));
  return mappings
    .flatMap((mapping) => specsOf(mapping, ["adapters"]))
    .filter((spec) => !whole.has(spec.family));
}

function wholeSpecsOf(mapping: EngineMapping): SignalSpecs {
  return [
    ...specsOf(
      mapping,
      signalFields.filter((field) => field !== "adapters"),
    ),
    ...prefixCountersOf(mapping).flatMap(({ lookedUp, hits }) => [lookedUp, hits]),
    ...mapping.attributes.map(({ spec }) => spec),
    processStart,
  ];
}

function prefixCountersOf({
  prefixCache,
  fallbacks = [],
}: EngineMapping): readonly PrefixCounters[] {
  return prefixCache ?? fallbacks.flatMap((each) => prefixCountersOf(each));
}

/** Sums over all models and engines of a port. */
function prefixTokensIn(
  mapping: EngineMapping,
  samples: FamilySamples,
): Pick<EngineSignals, "prefixLookupTokens" | "prefixHitTokens"> {
  for (const { lookedUp, hits } of prefixCountersOf(mapping)) {
    const prefixLookupTokens = totalOf(selected(lookedUp, samples));
    const prefixHitTokens = totalOf(selected(hits, samples));
    if (prefixLookupTokens !== undefined && prefixHitTokens !== undefined) {
      return { prefixLookupTokens, prefixHitTokens };
    }
  }
  return { prefixLookupTokens: undefined, prefixHitTokens: undefined };
}

/** The series of some signals, including those of fallbacks. */
function specsOf(mapping: EngineMapping, fields: readonly SignalField[]): SignalSpecs {
  return fields.flatMap((field) => readersOf(mapping, field).flatMap((by) => by[field]));
}

/** The mappings that may have a signal, in the order in which they are tried. */
function readersOf(mapping: EngineMapping, field: SignalField): readonly EngineMapping[] {
  const { fallbacks = [] } = mapping;
  return mapping[field].length === 0 ? [mapping] : [mapping, ...fallbacks];
}

/** The series of a signal, and the mapping that they were found by. */
export function foundIn(
  mapping: EngineMapping,
  field: SignalField,
  samples: FamilySamples,
): { readonly series: readonly Sample[]; readonly by: EngineMapping } | undefined {
  for (const by of readersOf(mapping, field)) {
    const series = seriesOf(by[field], samples, by.sharedLabels);
    if (series !== undefined) return { series, by };
  }
  return undefined;
}

/**
 * Signals from the samples of an engine; a signal that is missing or out of range is undefined.
 *
 * Requests of several series (models, data-parallel engines) add up. Each engine has its own KV
 * cache, and a request may land on any of them, so its use is the mean. If one series is out of
 * range, the signal is unknown: the rest would be too low.
 */
export function signalsOf(mapping: EngineMapping, samples: FamilySamples): EngineSignals {
  const of = (field: SignalField) => foundIn(mapping, field, samples)?.series;
  const cacheInfo = foundIn(mapping, "cacheInfo", samples);
  const cacheLabels = cacheInfo?.series[0]?.labels ?? {};
  const { blockTokensLabel, blocksMaxLabel } = cacheInfo?.by ?? mapping;
  return {
    waitingRequests: totalOf(of("waiting")),
    runningRequests: totalOf(of("running")),
    kvCacheUsedRatio: meanRatioOf(of("kvCacheUsed")),
    blockTokens: wholeIn(of("blockTokens")?.[0]) ?? countIn(cacheLabels[blockTokensLabel]),
    blocksMax: wholeIn(of("blocksMax")?.[0]) ?? countIn(cacheLabels[blocksMaxLabel]),
    ...prefixTokensIn(mapping, samples),
    startedAtSeconds: newestOf(selected(processStart, samples)),
    adapters: adapterStateOf(of("adapters")),
    attributes: new Map(
      mapping.attributes.flatMap(({ key, spec }) => {
        const mean = meanOf(selected(spec, samples));
        return mean === undefined ? [] : [[key, mean] as const];
      }),
    ),
  };
}

/** Number of load signals that are known. */
export function loadSignalCount(signals: EngineSignals): number {
  const { waitingRequests, runningRequests, kvCacheUsedRatio } = signals;
  const load = [waitingRequests, runningRequests, kvCacheUsedRatio];
  return load.filter((signal) => signal !== undefined).length;
}

function seriesOf(
  specs: SignalSpecs,
  samples: FamilySamples,
  sharedLabels: readonly string[],
): readonly Sample[] | undefined {
  for (const spec of specs) {
    const found = selected(spec, samples);
    if (found !== undefined) return lowestRanksOf(found, sharedLabels);
  }
  return undefined;
}

function lowestRanksOf(
  series: readonly Sample[],
  sharedLabels: readonly string[],
): readonly Sample[] {
  if (sharedLabels.length === 0 || series.length === 1) return series;
  const lowest = new Map<string, Sample>();
  for (const sample of series) {
    const queue = otherLabelsOf(sample, sharedLabels);
    const known = lowest.get(queue);
    if (known === undefined || isLower(sample, known, sharedLabels)) lowest.set(queue, sample);
  }
  return [...lowest.values()];
}

/** The labels that distinguish queues, as a key. */
function otherLabelsOf({ labels }: Sample, sharedLabels: readonly string[]): string {
  const others = Object.entries(labels).filter(([name]) => !sharedLabels.includes(name));
  return JSON.stringify(others.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** True if `a` comes before `b` by its ranks; a rank that is not a number is neither. */
function isLower(a: Sample, b: Sample, sharedLabels: readonly string[]): boolean {
  for (const label of sharedLabels) {
    const difference = Number(a.labels[label] ?? 0) - Number(b.labels[label] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
