import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { EngineMapping, SignalField, SignalSpecs } from "./engines/mapping.ts";
import { builtInEngines, type EngineChoice } from "./engines/engine-choice.ts";
import { parseMetricSpec } from "./exposition/metric-spec.ts";

/** A spec of a metric; an empty text switches the signal off. */
const spec = z
  .string()
  .refine(
    (text) => text === "" || parseMetricSpec(text) !== undefined,
    "want a metric such as name or name{label=value}",
  )
  .optional();

const engineConfig = z.strictObject({
  name: z.string().min(1).meta({ description: "Engine name, as endpoint labels give it." }),
  queuedRequestsSpec: spec.meta({ description: "Metric with the number of waiting requests." }),
  runningRequestsSpec: spec.meta({ description: "Metric with the number of running requests." }),
  kvUsageSpec: spec.meta({ description: "Metric with the used share of the KV cache, 0 to 1." }),
  loraSpec: spec.meta({ description: "Metric with the LoRA adapters in its labels." }),
  cacheInfoSpec: spec.meta({
    description: "Metric with block size and number of blocks in its labels.",
  }),
  cacheBlockSizeLabelName: z
    .string()
    .default("block_size")
    .meta({ description: "Label of cacheInfoSpec with the block size in tokens." }),
  cacheNumBlocksLabelName: z
    .string()
    .default("num_gpu_blocks")
    .meta({ description: "Label of cacheInfoSpec with the number of blocks." }),
  cacheBlockSizeSpec: spec.meta({ description: "Metric with the block size in tokens." }),
  cacheNumBlocksSpec: spec.meta({ description: "Metric with the number of blocks." }),
  customMetrics: z
    .array(
      z.strictObject({
        attributeKey: z.string().min(1).meta({ description: "Name for attribute plugins." }),
        metricSpec: z
          .string()
          .refine((text) => parseMetricSpec(text) !== undefined, "want a metric such as name")
          .meta({ description: "The metric; the mean of its series is used." }),
      }),
    )
    .default([])
    .meta({ description: "Further metrics, for endpoint-attribute-scorer and -filter." }),
});

const extractorParams = z
  .strictObject({
    defaultEngine: z.string().default("vllm").meta({
      description:
        "Engine that is tried first if an endpoint's labels name no known engine. If its metrics are missing, the metrics that are there decide the engine.",
    }),
    engineLabelKey: z.string().min(1).optional().meta({
      description:
        "Label that names an endpoint's engine; takes precedence over `llm-d.ai/engine-type`.",
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

/** Maps metrics to signals, by engine. */
export const metricsExtractorPlugin = declared({
  kinds: ["extractor"],
  type: "core-metrics-extractor",
  aliases: ["model-server-protocol-metrics"],
  summary:
    "Maps each engine's metrics to signals. vLLM, SGLang, trtllm-serve and Triton (with and without TensorRT-LLM) are built in; `engineConfigs` describes other engines and custom attributes, with metrics written `name` or `name{label=value}`. The label `llm-d.ai/engine-type` names an endpoint's engine; without it, the metrics decide. See [engines.md](engines.md).",
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

/** Parameters with specs of an engine, by signal. */
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
    // An engine with another name may be a build of any of them.
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
