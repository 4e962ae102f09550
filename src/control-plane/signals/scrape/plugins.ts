import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import { parseDurationMs } from "../../../std/quantities.ts";
import type { EngineMapping, SignalSpecs } from "./engines/mapping.ts";
import { builtInEngines, type EngineChoice } from "./engines/registry.ts";
import { parseMetricSpec } from "./metric-spec.ts";

const notBuilt = "known and not built yet";

/** What a document says about scraping; undefined where it leaves the flag or the default. */
export interface ScrapeSource {
  readonly scheme: "http" | "https" | undefined;
  readonly path: string | undefined;
  readonly port: number | undefined;
  readonly insecureSkipVerify: boolean | undefined;
  readonly intervalMs: number | undefined;
}

const certificate = z
  .undefined(notBuilt)
  .optional()
  .meta({ description: `A file; ${notBuilt}.` });

const sourceParams = z.strictObject({
  scheme: z.enum(["http", "https"]).optional().meta({
    description: "Scheme of scrapes; where left out, what the flag says.",
    tune: "https where engines serve TLS.",
  }),
  path: z.string().startsWith("/").optional().meta({
    description: "Path of scrapes; where left out, what the flag says.",
  }),
  port: z.int().min(1).max(65_535).optional().meta({
    description: "Port of scrapes; where left out, what the flag says.",
    tune: "Set it where engines report on another port than they serve on.",
  }),
  insecureSkipVerify: z.boolean().optional().meta({
    description: "Scrapes https without verifying the certificate.",
    tune: "false where engines have verifiable certificates.",
  }),
  interval: z
    .string()
    .refine((text) => parseDurationMs(text) !== undefined, "want a duration such as 50ms or 1s")
    .optional()
    .meta({
      unit: "duration",
      description: "Time between two scrapes of an endpoint; below 50ms counts as 50ms.",
      tune: "Raise it to save CPU on both sides.",
    }),
  caCertPath: certificate,
  clientCertPath: certificate,
  clientKeyPath: certificate,
});

/** How engines are scraped. Counts also where it is only declared and no source refers to it. */
export const metricsSourcePlugin = declared({
  family: "metrics-source",
  kinds: ["data-source"],
  type: "metrics-data-source",
  summary:
    "How engines are scraped. The first one counts, also where no `dataLayer.sources` refers to it; what it leaves out comes from the flags.",
  params: sourceParams,
  create: ({ scheme, path, port, insecureSkipVerify, interval }): ScrapeSource => ({
    scheme,
    path,
    port,
    insecureSkipVerify,
    intervalMs: interval === undefined ? undefined : parseDurationMs(interval),
  }),
});

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
      description: "Metrics by engine; one named like a built-in engine takes its place.",
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
  family: "metrics-extractor",
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

function mappingOf(config: z.infer<typeof engineConfig>, producer: string): EngineMapping {
  return {
    name: config.name,
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
