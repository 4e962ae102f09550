import { drainOf } from "../core/endpoint.ts";
import type { EndpointLine } from "../telemetry/recording/lines.ts";
import { RecordingMetrics } from "../telemetry/recording/metrics.ts";
import { Recorder } from "../telemetry/recording/recorder.ts";
import {
  refuseOther,
  RotatingFile,
  type RotatingFileOptions,
} from "../telemetry/recording/rotating-file.ts";
import { latencyModelMemory } from "../data-plane/scheduling/producers/latency/latency-model.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import type { Clock } from "../std/clock.ts";
import { ownVersion } from "../std/own-version.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import type { Build } from "./build-config.ts";
import type { Pool } from "./pool.ts";

export type RecordingOptions = RotatingFileOptions;

export interface RecordingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly memory: PluginMemory;
  readonly registry: MetricsRegistry;
  readonly pool: Pick<Pool, "store" | "view">;
  readonly inForce: () => Build;
  readonly first: Build;
}

/** Starts a recording. Rejects if the file is there already and is no recording. */
export async function recordingOf(
  options: RecordingOptions,
  deps: RecordingDeps,
): Promise<Recorder> {
  const { path } = options;
  await refuseOther(path);
  // The configuration in force is made after this.
  let document = () => deps.first.document;
  const recorder = new Recorder({
    file: new RotatingFile(options),
    path,
    version: ownVersion(),
    clock: deps.clock,
    log: deps.log,
    metrics: new RecordingMetrics(deps.registry),
    state: () => {
      const { hash, text } = document();
      return { document: { hash, text }, endpoints: endpointLinesOf(deps) };
    },
  });
  await recorder.open();
  document = () => deps.inForce().document;
  return recorder;
}

function endpointLinesOf({ pool: { store, view }, memory }: RecordingDeps): EndpointLine[] {
  const [model] = [...memory.ofKind(latencyModelMemory)].map((owned) => owned.memory);
  const { blockTokens, blocksMax, adapters } = view.load;
  return store.endpoints().map((endpoint) => {
    const { id, slot } = endpoint;
    const isLearned = model?.rates.isLearned(slot) === true;
    return {
      endpoint: id,
      blockTokens: numberIn(blockTokens[slot]),
      kvBlocks: numberIn(blocksMax[slot]),
      adaptersMax: adapters[slot]?.adaptersMax,
      prefillTokensPerSecond: isLearned
        ? Math.round(model.rates.tokensPerMs(slot) * 1_000)
        : undefined,
      draining: drainOf(endpoint) === undefined ? undefined : true,
    };
  });
}

function numberIn(signal: number | undefined): number | undefined {
  return signal === undefined || Number.isNaN(signal) ? undefined : signal;
}
