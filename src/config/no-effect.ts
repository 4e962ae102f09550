import type { PluginEntry } from "./document.ts";

/**
 * Parameters of llm-d-router that are accepted and have no effect here, by type, with the reason.
 */
const reasons: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "concurrency-detector": {
    stalenessPolicy: "the picker's own counts are never stale",
  },
  "predicted-latency-producer": {
    contextTTL: "a request counts until its stream ends",
    useEncoderCacheFeatures: "predictions do not know what engines have cached of images",
    encoderCacheMatchInfoProducerName: "predictions do not know what engines have cached of images",
    inFlightLoadProducerName: "predictions count the prompts in flight themselves",
    samplingMean: "tokens are not sampled",
    maxDecodeTokenSamplesForPrediction: "tokens are not sampled",
  },
};

/** One warning for each parameter of a plugin that has no effect. */
export function noEffectWarnings({ type, parameters }: PluginEntry, path: string): string[] {
  const known = Object.hasOwn(reasons, type) ? reasons[type] : undefined;
  return Object.entries(known ?? {}).flatMap(([name, reason]) =>
    Object.hasOwn(parameters ?? {}, name)
      ? [`${path}.parameters.${name} has no effect: ${reason}`]
      : [],
  );
}
