import type { Endpoint } from "../../../../core/endpoint.ts";
import type { Engine } from "./engine.ts";
import { vllm } from "./vllm.ts";

/** Labels that name the engine of an endpoint, the first one first; the second is its old name. */
const engineLabels = ["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"];

/** Engines whose metrics are known without a word from a document. */
export const builtInEngines: readonly Engine[] = [vllm];

export interface EngineChoice {
  /** Engines that a document describes; one named like a built-in one takes its place. */
  readonly engines?: readonly Engine[];
  /** Engine of endpoints whose labels name none, or one that is not known. */
  readonly defaultEngine?: string | undefined;
  /** Label that names an endpoint's engine, looked at before the usual ones. */
  readonly engineLabel?: string | undefined;
}

/** The engine an endpoint's labels name. */
export type EngineOf = (endpoint: Endpoint) => Engine;

export function engineChooser({
  engines = [],
  defaultEngine,
  engineLabel,
}: EngineChoice): EngineOf {
  const known = new Map([...builtInEngines, ...engines].map((engine) => [engine.name, engine]));
  const fallback = known.get(defaultEngine ?? vllm.name) ?? vllm;
  const labels = engineLabel === undefined ? engineLabels : [engineLabel, ...engineLabels];
  return (endpoint) => {
    for (const label of labels) {
      const name = endpoint.labels[label];
      if (name !== undefined) return known.get(name) ?? fallback;
    }
    return fallback;
  };
}
