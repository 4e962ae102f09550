import type { EngineMapping } from "./mapping.ts";
import { sglang } from "./sglang.ts";
import { triton } from "./triton.ts";
import { tritonTensorrtLlm } from "./triton-tensorrt-llm.ts";
import { trtllmServe } from "./trtllm-serve.ts";
import { vllm } from "./vllm.ts";

/** Labels that name the engine of an endpoint, the first one first; the second is its old name. */
const engineLabels = ["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"];

/** Engines whose metrics are known without a word from a document. */
export const builtInEngines: readonly EngineMapping[] = [
  vllm,
  sglang,
  trtllmServe,
  tritonTensorrtLlm,
  triton,
];

/** What a document says about engines; plain data that can go to another thread. */
export interface EngineChoice {
  /** Engines that a document describes; one named like a built-in one takes its place. */
  readonly engines?: readonly EngineMapping[];
  /** Engine that is tried first where labels name none that is known. */
  readonly defaultEngine?: string | undefined;
  /** Label that names an endpoint's engine, looked at before the usual ones. */
  readonly engineLabel?: string | undefined;
}

type Labels = Readonly<Record<string, string>>;

/** The engines that an endpoint may have. */
export interface EngineChooser {
  /** The engine that the labels name, where it is known. */
  named(labels: Labels): EngineMapping | undefined;
  /** Every known engine, the default one first. */
  readonly known: readonly EngineMapping[];
  /** Labels that name an engine, the first one first. */
  readonly labelKeys: readonly string[];
}

/** The label that names an endpoint's engine, and the name, whether it is known or not. */
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

/** Names of the attributes that the engines of a document have. */
export function attributeNamesOf({ engines = [] }: EngineChoice): readonly string[] {
  return engines.flatMap(({ attributes }) => attributes.map(({ key }) => key));
}
