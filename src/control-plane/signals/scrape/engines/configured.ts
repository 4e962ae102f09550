import type { MetricSpec } from "../metric-spec.ts";
import { selected } from "../metric-spec.ts";
import type { Engine } from "./engine.ts";
import { adapterStateOf } from "./lora-info.ts";
import { countIn, meanRatioOf, totalOf } from "./series.ts";

/** What a document says of one engine's metrics; a signal without a spec is not read. */
export interface EngineMapping {
  readonly name: string;
  readonly waiting: MetricSpec | undefined;
  readonly running: MetricSpec | undefined;
  readonly kvCacheUsed: MetricSpec | undefined;
  readonly adapters: MetricSpec | undefined;
  /** A family whose labels tell the two below. */
  readonly cacheInfo: MetricSpec | undefined;
  readonly blockTokensLabel: string;
  readonly blocksMaxLabel: string;
  /** Families whose values tell them. */
  readonly blockTokens: MetricSpec | undefined;
  readonly blocksMax: MetricSpec | undefined;
  readonly attributes: readonly { readonly key: string; readonly spec: MetricSpec }[];
}

/**
 * An engine by what a document says of it. Counts of several series add up, ratios and other
 * attributes are their mean, as for the engines that are built in.
 */
export function configuredEngine(mapping: EngineMapping): Engine {
  const specs = [
    mapping.waiting,
    mapping.running,
    mapping.kvCacheUsed,
    mapping.adapters,
    mapping.cacheInfo,
    mapping.blockTokens,
    mapping.blocksMax,
    ...mapping.attributes.map(({ spec }) => spec),
  ];
  return {
    name: mapping.name,
    families: specs.flatMap((spec) => spec?.family ?? []),
    signalsOf(samples) {
      const of = (spec: MetricSpec | undefined) => spec && selected(spec, samples);
      const cacheLabels = of(mapping.cacheInfo)?.[0]?.labels ?? {};
      return {
        waitingRequests: totalOf(of(mapping.waiting)),
        runningRequests: totalOf(of(mapping.running)),
        kvCacheUsedRatio: meanRatioOf(of(mapping.kvCacheUsed)),
        blockTokens:
          countOf(of(mapping.blockTokens)?.[0]?.value) ??
          countIn(cacheLabels[mapping.blockTokensLabel]),
        blocksMax:
          countOf(of(mapping.blocksMax)?.[0]?.value) ??
          countIn(cacheLabels[mapping.blocksMaxLabel]),
        adapters: adapterStateOf(of(mapping.adapters)),
        attributes: new Map(
          mapping.attributes.flatMap(({ key, spec }) => {
            const series = of(spec)?.filter(({ value }) => Number.isFinite(value)) ?? [];
            if (series.length === 0) return [];
            const sum = series.reduce((total, { value }) => total + value, 0);
            return [[key, sum / series.length] as const];
          }),
        ),
      };
    },
  };
}

function countOf(value: number | undefined): number | undefined {
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
