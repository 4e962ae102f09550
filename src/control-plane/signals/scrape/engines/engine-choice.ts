import type { EngineMapping } from "./mapping.ts";
import { sglang } from "./sglang.ts";
import { triton } from "./triton.ts";
import { tritonTensorrtLlm } from "./triton-tensorrt-llm.ts";
import { trtllmServe } from "./trtllm-serve.ts";
import { vllm } from "./vllm.ts";

/**
 * Labels that name the engine of an endpoint, in order of precedence; the second is its old name.
 */
const engineLabels = ["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"];

/** Engines whose metrics are built in. */
export const builtInEngines: readonly EngineMapping[] = [
  vllm,
  sglang,
  trtllmServe,
  tritonTensorrtLlm,
  triton,
];

/** Engine settings of a document; plain data that can go to another thread. */
export interface EngineChoice {
  /** Engines that a document describes; one named like a built-in one replaces it. */
  readonly engines?: readonly EngineMapping[];
  /** Engine that is tried first if labels name no known one. */
  readonly defaultEngine?: string | undefined;
  /** Label that names an endpoint's engine, checked before the usual ones. */
  readonly engineLabel?: string | undefined;
}

type Labels = Readonly<Record<string, string>>;

/** The engines that an endpoint may have. */
export interface EngineChooser {
  /** The engine that the labels name, if it is known. */
  named(labels: Labels): EngineMapping | undefined;
  /** Every known engine, the default one first. */
  readonly known: readonly EngineMapping[];
  /** Labels that name an engine, in order of precedence. */
  readonly labelKeys: readonly string[];
}

/** The label that names an endpoint's engine, and the name, known or not. */
export function engineNamedBy(
  labels: Labels,
  labelKeys: readonly string[],
): { readonly label: string; readonly name: string } | undefined {
  for (const label of labelKeys) {
    const name = labels[label];
    if (name !== undefined) return { label, name };
  }
  return undefined;
}

export function engineChooser({
  engines = [],
  defaultEngine = vllm.name,
  engineLabel,
}: EngineChoice): EngineChooser {
  const byName = new Map([...builtInEngines, ...engines].map((engine) => [engine.name, engine]));
  const known = [...byName.values()].toSorted(
    (a, b) => Number(b.name === defaultEngine) - Number(a.name === defaultEngine),
  );
  const labelKeys = engineLabel === undefined ? engineLabels : [engineLabel, ...engineLabels];
  return {
    known,
    labelKeys,
    named: (labels) => {
      const naming = engineNamedBy(labels, labelKeys);
      return naming && byName.get(naming.name);
    },
  };
}

/** Names of the attributes of a document's engines. */
export function attributeNamesOf({ engines = [] }: EngineChoice): readonly string[] {
  return engines.flatMap(({ attributes }) => attributes.map(({ key }) => key));
}
