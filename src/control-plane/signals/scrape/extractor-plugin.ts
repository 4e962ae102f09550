import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { EngineMapping, SignalField, SignalSpecs } from "./engines/mapping.ts";
import { builtInEngines, type EngineChoice } from "./engines/engine-choice.ts";
import { parseMetricSpec } from "./exposition/metric-spec.ts";

/** A spec of a metric; empty switches the signal off. */
const spec = z
  .string()
  .refine(
    (text) => text === "" || parseMetricSpec(text) !== undefined,
    "want a metric such as name or name{label=value}",
  )
  .optional();

const engineConfig = z.strictObject({
  name: z.string().min(1).meta({ description: "The name that labels of endpoints give." }),
  queuedRequestsSpec: spec.meta({ description: "Metric of waiting requests." }),
  runningRequestsSpec: spec.meta({ description: "Metric of running requests." }),
  kvUsageSpec: spec.meta({ description: "Metric of the used share of the KV cache, 0 to 1." }),
  loraSpec: spec.meta({ description: "Metric whose labels tell the LoRA adapters." }),
  cacheInfoSpec: spec.meta({ description: "Metric whose labels tell block size and blocks." }),
  cacheBlockSizeLabelName: z
    .string()
    .default("block_size")
    .meta({ description: "Label of cacheInfoSpec with the tokens of a block." }),
  cacheNumBlocksLabelName: z
    .string()
    .default("num_gpu_blocks")
    .meta({ description: "Label of cacheInfoSpec with the number of blocks." }),
  cacheBlockSizeSpec: spec.meta({ description: "Metric of the tokens of a block." }),
  cacheNumBlocksSpec: spec.meta({ description: "Metric of the number of blocks." }),
  customMetrics: z
    .array(
      z.strictObject({
        attributeKey: z.string().min(1).meta({ description: "Name for attribute plugins." }),
        metricSpec: z
          .string()
          .refine((text) => parseMetricSpec(text) !== undefined, "want a metric such as name")
          .meta({ description: "The metric; the mean of its series counts." }),
      }),
    )
    .default([])
    .meta({ description: "Further metrics, for endpoint-attribute-scorer and -filter." }),
});

const extractorParams = z
  .strictObject({
    defaultEngine: z.string().default("vllm").meta({
      description:
        "Engine that is tried first on endpoints whose labels name none that is known; where its metrics are not there, the engine is found by those that are.",
    }),
    engineLabelKey: z.string().min(1).optional().meta({
      description: "Label that names an endpoint's engine, before `llm-d.ai/engine-type`.",
    }),
    engineConfigs: z.array(engineConfig).default([]).meta({
      description:
        "Metrics by engine; one named like a built-in engine replaces it. If a named metric has no series, the built-in metrics of that signal are used.",
    }),
  })
  .superRefine(({ defaultEngine, engineConfigs }, context) => {
    const known = [...builtInEngines, ...engineConfigs].map(({ name }) => name);
    if (known.includes(defaultEngine)) return;
    context.addIssue({
      code: "custom",
      path: ["defaultEngine"],
      message: `${defaultEngine} is none of ${known.join(", ")}; describe it in engineConfigs`,
    });
  });

/** Which metrics tell what, by engine. */
export const metricsExtractorPlugin = declared({
  kinds: ["extractor"],
  type: "core-metrics-extractor",
  aliases: ["model-server-protocol-metrics"],
  summary:
    "Which metrics tell an endpoint's load, by engine. Those of vLLM, SGLang, trtllm-serve and Triton (with and without TensorRT-LLM) are built in; `engineConfigs` describes others and custom attributes, with metrics written `name` or `name{label=value}`. An endpoint's engine is named by its label `llm-d.ai/engine-type`, or found by its metrics. See [engines.md](engines.md).",
  params: extractorParams,
  create: (
    { defaultEngine, engineLabelKey, engineConfigs },
    { name }: { readonly name: string },
  ): EngineChoice => ({
    defaultEngine,
    engineLabel: engineLabelKey,
    engines: engineConfigs.map((config) => mappingOf(config, name)),
  }),
});

/** Specs of an engine's parameters, by the signal that each is for. */
const specNames = {
  waiting: "queuedRequestsSpec",
  running: "runningRequestsSpec",
  kvCacheUsed: "kvUsageSpec",
  adapters: "loraSpec",
  cacheInfo: "cacheInfoSpec",
  blockTokens: "cacheBlockSizeSpec",
  blocksMax: "cacheNumBlocksSpec",
} as const satisfies Readonly<Record<SignalField, keyof z.infer<typeof engineConfig>>>;

function mappingOf(config: z.infer<typeof engineConfig>, producer: string): EngineMapping {
  const builtIn = builtInEngines.find(({ name }) => name === config.name);
  // The keys are those of the type.
  const fields = Object.keys(specNames) as SignalField[];
  return {
    name: config.name,
    // Under a name of its own it may be a build of any of them.
    fallbacks: builtIn === undefined ? builtInEngines : [builtIn],
    off: fields.filter((field) => config[specNames[field]] === ""),
    ...(builtIn?.metricsPath === undefined ? {} : { metricsPath: builtIn.metricsPath }),
    waiting: specOf(config.queuedRequestsSpec),
    running: specOf(config.runningRequestsSpec),
    kvCacheUsed: specOf(config.kvUsageSpec),
    adapters: specOf(config.loraSpec),
    cacheInfo: specOf(config.cacheInfoSpec),
    blockTokensLabel: config.cacheBlockSizeLabelName,
    blocksMaxLabel: config.cacheNumBlocksLabelName,
    blockTokens: specOf(config.cacheBlockSizeSpec),
    blocksMax: specOf(config.cacheNumBlocksSpec),
    attributes: config.customMetrics.flatMap(({ attributeKey, metricSpec }) => {
      const parsed = parseMetricSpec(metricSpec);
      return parsed === undefined ? [] : [{ key: `${producer}/${attributeKey}`, spec: parsed }];
    }),
    sharedLabels: [],
  };
}

function specOf(text = ""): SignalSpecs {
  const parsed = parseMetricSpec(text);
  return parsed === undefined ? [] : [parsed];
}
