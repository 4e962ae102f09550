import { z } from "zod";
import { parseBytes } from "../std/quantities.ts";
import { durationField } from "./durations.ts";
import { healthSection } from "./health-section.ts";
import { rolloutSection } from "./rollout-section.ts";
import { shadowSection } from "./shadow-section.ts";
import { signalsSection } from "./signals-section.ts";

/** API groups of the same document format; the first is the current one. */
export const apiVersions = [
  "llm-d.ai/v1alpha1",
  "pointsman.dev/v1alpha1",
  "inference.networking.x-k8s.io/v1alpha1",
  "config.x-k8s.io/v1alpha1",
] as const;

/** The group whose documents may also have sections and plugins that llm-d-router lacks. */
export const ownApiVersion = "pointsman.dev/v1alpha1";

const name = z.string().min(1);
const reference = z.strictObject({
  pluginRef: name.meta({ description: "Name of a plugin of `plugins`." }),
});

const duration = durationField("200ms or 1m30s");

/** A Kubernetes quantity, as a number or as text. */
const quantity = z
  .union([z.number().nonnegative(), z.string()])
  .refine(
    (value) => typeof value === "number" || parseBytes(value) !== undefined,
    "want a quantity such as 500, 64Mi or 1G",
  );

const priorityBand = z.strictObject({
  priority: z.int().optional().meta({ description: "Priority of the requests in this band." }),
  maxBytes: quantity
    .optional()
    .meta({ unit: "bytes", description: "Maximum size of queued bodies; default 1G." }),
  maxRequests: quantity
    .optional()
    .meta({ unit: "requests", description: "Maximum number of queued requests; default 5000." }),
  defaultRequestTTL: duration.nullish().meta({
    unit: "duration",
    description: "Maximum time in the queue for this band; overrides the general one.",
  }),
  fairnessPolicyRef: name
    .optional()
    .meta({ description: "Name of a fairness policy, which orders flows." }),
  orderingPolicyRef: name
    .optional()
    .meta({ description: "Name of an ordering policy, which orders requests within a flow." }),
});

/** A band of `priorityBands`, which may have what bands that are made on demand cannot. */
const declaredBand = priorityBand.extend({
  guaranteedShare: z.number().min(0).max(1).optional().meta({
    description:
      "Share of the prompt tokens sent that the band gets at least while it has requests that wait, whatever waits above it; default none. Those of all bands are 1 together at most. Only in documents of `pointsman.dev/v1alpha1`.",
    tune: "Raise it if requests of this band wait for too long next to a steady load of higher priorities.",
  }),
});

/** One entry of `plugins`. */
export const pluginEntry = z.strictObject({
  name: name
    .optional()
    .meta({ description: "Name by which other fields refer to it; default the type. Unique." }),
  type: name.meta({ description: "One of the types of [plugins.md](plugins.md)." }),
  parameters: z
    .record(z.string(), z.unknown())
    .nullish()
    .meta({ description: "Parameters of the type; by default, all have their default values." }),
});

const profilePlugin = z.strictObject({
  pluginRef: name.meta({ description: "Name of a filter, scorer or picker." }),
  weight: z.number().optional().meta({
    description:
      "Factor for a scorer's score; default 1. No effect on filters and pickers. A negative weight prefers the endpoints that score worst.",
    tune: "Raise it to give this scorer more influence.",
  }),
});

/** One entry of `schedulingProfiles`. */
export const profileEntry = z.strictObject({
  name: name.meta({ description: "Unique." }),
  plugins: z
    .array(profilePlugin)
    .nullish()
    .meta({ description: "Plugins in the order in which they run." }),
});

const dataSource = z.strictObject({
  pluginRef: name.meta({ description: "Name of a data source." }),
  extractors: z
    .array(reference)
    .nullish()
    .meta({ description: "Names of the extractors that read its data." }),
});

const objective = z.strictObject({
  name: name.meta({ description: "Name that the objective header of a request refers to." }),
  priority: z
    .int()
    .default(0)
    .meta({ description: "Higher priorities go first. Requests below 0 are shed at saturation." }),
});

const rewriteTarget = z.strictObject({
  modelRewrite: name.meta({ description: "Model name that is sent to the engine." }),
  weight: z.int().min(1).max(1_000_000).optional().meta({
    description:
      "Share of the requests relative to the other weights of the rule. Either all targets have a weight or none has; without weights, targets get equal shares.",
  }),
});

const rewriteRule = z.strictObject({
  matches: z
    .array(
      z.strictObject({
        model: z.strictObject({
          type: z
            .literal("Exact")
            .default("Exact")
            .meta({ description: "How model names are compared." }),
          value: name.meta({ description: "Model name in the client's request." }),
        }),
      }),
    )
    .nullish()
    .meta({ description: "Matches; one is enough. By default the rule applies to every model." }),
  targets: z
    .array(rewriteTarget)
    .min(1)
    .refine((targets) => new Set(targets.map(({ weight }) => weight === undefined)).size <= 1, {
      message: "either every target has a weight or none has",
    })
    .meta({
      description: "Targets of the rule. Each request goes to one, chosen at random by weight.",
    }),
});

/** The sections of a document, each with its shape. */
export const sections = {
  featureGates: z
    .array(z.string())
    .nullish()
    .meta({ description: "`name` or `name=true`, `name=false`." }),
  plugins: z.array(pluginEntry).nullish().meta({ description: "All plugins in use." }),
  schedulingProfiles: z
    .array(profileEntry)
    .nullish()
    .meta({ description: "Chains of filters, scorers and a picker." }),
  requestHandler: z
    .strictObject({
      parsers: z
        .array(reference)
        .nullish()
        .meta({ description: "APIs whose request bodies are parsed." }),
    })
    .nullish(),
  dataLayer: z
    .strictObject({
      injectDefaults: z.boolean().nullish().meta({
        description:
          "Adds `metrics-data-source` with `core-metrics-extractor` if no source has that type.",
      }),
      sources: z
        .array(dataSource)
        .nullish()
        .meta({ description: "Sources of endpoint data, such as load." }),
      discovery: reference.nullish().meta({
        description: "The plugin that lists the endpoints if they do not come from a cluster.",
      }),
      peerDiscovery: reference
        .nullish()
        .meta({ description: "Known and not built yet: a document with this field is refused." }),
      crossReplicaSyncerPluginRef: z.string().nullish().meta({
        description: "Known and not built yet: a document with this field is refused.",
      }),
      crossReplicaSyncInterval: duration.nullish().meta({
        unit: "duration",
        description: "Accepted but has no effect: replicas do not share state yet.",
      }),
    })
    .nullish(),
  flowControl: z
    .strictObject({
      maxBytes: quantity
        .nullish()
        .meta({ unit: "bytes", description: "Maximum size of all queued bodies." }),
      maxRequests: quantity
        .nullish()
        .meta({ unit: "requests", description: "Maximum number of queued requests." }),
      defaultRequestTTL: duration
        .nullish()
        .meta({ unit: "duration", description: "Maximum time in the queue; default 60s." }),
      noEndpointRequestTTL: duration.nullish().meta({
        unit: "duration",
        description: "Maximum time in the queue while the pool is empty.",
      }),
      defaultPriorityBand: priorityBand
        .nullish()
        .meta({ description: "Settings for priorities without a band of their own." }),
      defaultNegativePriorityBand: priorityBand
        .nullish()
        .meta({ description: "Settings for priorities below 0 without a band of their own." }),
      priorityBands: z
        .array(declaredBand)
        .nullish()
        .meta({ description: "Limits and order of the requests of one priority." }),
      usageLimitPolicyPluginRef: z.string().nullish().meta({
        description: "Name of a usage limit policy; default `static-usage-limit-policy`.",
      }),
      saturationDetector: z
        .strictObject({
          pluginRef: z.string().optional().meta({
            description: "Name of a saturation detector; default `utilization-detector`.",
          }),
        })
        .nullish()
        .meta({
          description: "Detector that says when the pool is full. Has effect without the gate too.",
        }),
      enableEviction: z.boolean().nullish().meta({
        description:
          "Evicts running requests of low priority in favor of waiting requests of a higher one.",
      }),
    })
    .nullish()
    .meta({
      description:
        "The queue. Takes effect with the gate `flowControl`; without it, only `saturationDetector` does.",
    }),
  saturationDetector: reference
    .nullish()
    .meta({ description: "Older place of `flowControl.saturationDetector`." }),
  parser: reference.nullish().meta({ description: "Older form of `requestHandler.parsers`." }),
} as const;

/** Additional sections for documents of `ownApiVersion`. */
export const ownSections = {
  objectives: z
    .array(objective)
    .nullish()
    .meta({ description: "Priorities by objective, for pools outside a cluster." }),
  modelRewrites: z.array(rewriteRule).nullish().meta({
    description: "Rules that replace the model name of a request. Exact matches take precedence.",
  }),
  decisions: z
    .strictObject({
      debugHeader: z.boolean().default(false).meta({
        description:
          "If true, a request with `x-pointsman-debug: true` gets the record's id in the response header `x-pointsman-decision`.",
      }),
    })
    .nullish(),
  signals: signalsSection.nullish(),
  health: healthSection.nullish(),
  shadow: shadowSection.nullish(),
  rollout: rolloutSection.nullish(),
} as const;

const identity = {
  apiVersion: z.enum(apiVersions).meta({
    description: `The first is current, the others are older. Pointsman's own sections and plugins require \`${ownApiVersion}\`.`,
  }),
  kind: z.literal("EndpointPickerConfig").meta({ description: "The only kind." }),
};

/** A whole document, for the generated schema; `readDocument` reads one part by part. */
export const documentSchema = z.strictObject({ ...identity, ...sections, ...ownSections });

/**
 * The sections of a document that could be read, except the lists whose entries are read one by
 * one.
 */
export type Sections = Omit<
  Partial<z.infer<typeof documentSchema>>,
  "apiVersion" | "kind" | "plugins" | "schedulingProfiles"
>;
export type PluginEntry = z.infer<typeof pluginEntry>;
export type ProfileEntry = z.infer<typeof profileEntry>;
