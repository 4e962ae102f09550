import type { Endpoint } from "../../../../core/endpoint.ts";
import type { Engine } from "./engine.ts";
import { vllm } from "./vllm.ts";

/** Labels that name the engine of an endpoint, the first one first; the second is its old name. */
const engineLabels = ["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"] as const;

const engines: ReadonlyMap<string, Engine> = new Map([vllm].map((engine) => [engine.name, engine]));

/** The engine an endpoint's labels name; vLLM where they name none, or one that is not known. */
export function engineOf({ labels }: Endpoint): Engine {
  for (const label of engineLabels) {
    const name = labels[label];
    if (name !== undefined) return engines.get(name) ?? vllm;
  }
  return vllm;
}
