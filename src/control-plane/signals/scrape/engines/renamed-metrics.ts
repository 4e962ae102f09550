import { parseMetricSpec } from "../exposition/metric-spec.ts";
import type { EngineMapping, SignalSpecs } from "./mapping.ts";
import type { EngineChoice } from "./engine-choice.ts";
import { vllm } from "./vllm.ts";

/**
 * Metrics that replace vLLM's own, by signal; undefined keeps vLLM's, an empty text switches the
 * signal off.
 */
export interface RenamedMetrics {
  readonly waiting: string | undefined;
  readonly running: string | undefined;
  readonly kvCacheUsed: string | undefined;
  readonly adapters: string | undefined;
  readonly cacheInfo: string | undefined;
}

export type RenamedResult =
  /** `engine` is undefined if no metric is named. */
  | { readonly kind: "described"; readonly engine: EngineMapping | undefined }
  | { readonly kind: "invalid"; readonly signal: keyof RenamedMetrics };

/**
 * vLLM's engine with other metrics, as older pickers took them from flags. If a named one has no
 * series, vLLM's own counts, since an upgraded engine often has the usual names again.
 */
export function renamedMetrics(names: RenamedMetrics): RenamedResult {
  const changes: Partial<Record<keyof RenamedMetrics, SignalSpecs>> = {};
  // The keys are those of the type.
  for (const signal of Object.keys(names) as (keyof RenamedMetrics)[]) {
    const name = names[signal];
    if (name === undefined) continue;
    const spec = name === "" ? undefined : parseMetricSpec(name);
    if (name !== "" && spec === undefined) return { kind: "invalid", signal };
    changes[signal] = spec === undefined ? [] : [spec];
  }
  if (Object.keys(changes).length === 0) return { kind: "described", engine: undefined };
  // The keys are those of the type.
  const off = (Object.keys(changes) as (keyof RenamedMetrics)[]).filter(
    (signal) => changes[signal]?.length === 0,
  );
  return { kind: "described", engine: { ...vllm, ...changes, off, fallbacks: [vllm] } };
}

/** The engines of a document, and one more that the document does not describe itself. */
export function withEngine(
  choice: EngineChoice = {},
  engine: EngineMapping | undefined,
): EngineChoice {
  const { engines = [] } = choice;
  if (engine === undefined || engines.some(({ name }) => name === engine.name)) return choice;
  return { ...choice, engines: [engine, ...engines] };
}
