import { z } from "zod";
import { parseBytes } from "../std/quantities.ts";
import { durationField } from "./durations.ts";
import { healthSection } from "./health-section.ts";
import { signalsSection } from "./signals-section.ts";

/** Groups under which the same document is read; the first is the one of today. */
export const apiVersions = [
  "llm-d.ai/v1alpha1",
  "pointsman.dev/v1alpha1",
  "inference.networking.x-k8s.io/v1alpha1",
  "config.x-k8s.io/v1alpha1",
] as const;

/** The group whose documents may also hold our own sections and plugins. */
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
    .meta({ unit: "bytes", description: "Bodies that may queue; 1G where left out." }),
  maxRequests: quantity
    .optional()
    .meta({ unit: "requests", description: "Requests that may queue; 5000 where left out." }),
  defaultRequestTTL: duration.nullish().meta({
    unit: "duration",
    description: "Longest time in the queue for this band; overrides the general one.",
  }),
  fairnessPolicyRef: name
    .optional()
    .meta({ description: "Name of a fairness policy: who goes first among flows." }),
  orderingPolicyRef: name
    .optional()
    .meta({ description: "Name of an ordering policy: who goes first within a flow." }),
});

/** One entry of `plugins`. */
export const pluginEntry = z.strictObject({
  name: name
    .optional()
    .meta({ description: "How other parts refer to it; the type where left out. Unique." }),
  type: name.meta({ description: "One of the types of [plugins.md](plugins.md)." }),
  parameters: z
    .record(z.string(), z.unknown())
    .nullish()
    .meta({ description: "What the type takes; left out for its defaults." }),
});

const profilePlugin = z.strictObject({
  pluginRef: name.meta({ description: "Name of a filter, scorer or picker." }),
  weight: z.number().optional().meta({
    description:
      "Factor of a scorer's score; 1 if left out. Does nothing on others. A negative one prefers the endpoints that score worst.",
    tune: "Raise it to let this scorer decide more.",
  }),
});

/** One entry of `schedulingProfiles`. */
export const profileEntry = z.strictObject({
  name: name.meta({ description: "Unique." }),
  plugins: z.array(profilePlugin).nullish().meta({ description: "In the order they run." }),
});

const dataSource = z.strictObject({
  pluginRef: name.meta({ description: "Name of a data source." }),
  extractors: z
    .array(reference)
    .nullish()
    .meta({ description: "Names of the extractors that read what it brings." }),
});

const objective = z.strictObject({
  name: name.meta({ description: "What the objective header of a request names." }),
  priority: z
    .int()
    .default(0)
    .meta({ description: "Higher goes first; requests below 0 are shed at saturation." }),
});

const rewriteTarget = z.strictObject({
  modelRewrite: name.meta({ description: "The model the engine is asked for." }),
  weight: z.int().min(1).max(1_000_000).optional().meta({
    description:
      "Share of the requests, among the weights of the rule. Where none has one they share evenly; all have one or none has.",
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
            .meta({ description: "How names are compared." }),
          value: name.meta({ description: "The model a client names." }),
        }),
      }),
    )
    .nullish()
    .meta({ description: "Any of them; left out for every model." }),
  targets: z
    .array(rewriteTarget)
    .min(1)
    .refine((targets) => new Set(targets.map(({ weight }) => weight === undefined)).size <= 1, {
      message: "either every target has a weight or none has",
    })
    .meta({ description: "Where the requests go, each by chance and weight to one of them." }),
});

/** The sections of a document, each with its shape. */
export const sections = {
  featureGates: z
    .array(z.string())
    .nullish()
    .meta({ description: "`name` or `name=true`, `name=false`." }),
  plugins: z.array(pluginEntry).nullish().meta({ description: "Every plugin in use." }),
  schedulingProfiles: z
    .array(profileEntry)
    .nullish()
    .meta({ description: "Chains of filters, scorers and a picker." }),
  requestHandler: z
    .strictObject({
      parsers: z
        .array(reference)
        .nullish()
        .meta({ description: "APIs whose bodies are understood." }),
    })
    .nullish(),
  dataLayer: z
    .strictObject({
      injectDefaults: z.boolean().nullish().meta({
        description:
          "Adds `metrics-data-source` with `core-metrics-extractor` where no source is one.",
      }),
      sources: z
        .array(dataSource)
        .nullish()
        .meta({ description: "Where the load of endpoints comes from." }),
      discovery: reference
        .nullish()
        .meta({ description: "The plugin that knows the endpoints, outside of a cluster." }),
      peerDiscovery: reference
        .nullish()
        .meta({ description: "Known and not built yet: a document that has it is refused." }),
      crossReplicaSyncerPluginRef: z.string().nullish().meta({
        description: "Known and not built yet: a document that names one is refused.",
      }),
      crossReplicaSyncInterval: duration.nullish().meta({
        unit: "duration",
        description: "Accepted and does nothing: replicas share nothing yet.",
      }),
    })
    .nullish(),
  flowControl: z
    .strictObject({
      maxBytes: quantity
        .nullish()
        .meta({ unit: "bytes", description: "Bodies that may queue in all." }),
      maxRequests: quantity
        .nullish()
        .meta({ unit: "requests", description: "Requests that may queue in all." }),
      defaultRequestTTL: duration
        .nullish()
        .meta({ unit: "duration", description: "Longest time in the queue; 60s." }),
      noEndpointRequestTTL: duration
        .nullish()
        .meta({ unit: "duration", description: "The same while the pool is empty." }),
      defaultPriorityBand: priorityBand
        .nullish()
        .meta({ description: "For priorities that have no band of their own." }),
      defaultNegativePriorityBand: priorityBand
        .nullish()
        .meta({ description: "The same for those below 0." }),
      priorityBands: z
        .array(priorityBand)
        .nullish()
        .meta({ description: "Room and order of the requests of one priority each." }),
      usageLimitPolicyPluginRef: z.string().nullish().meta({
        description: "Name of a usage limit policy; `static-usage-limit-policy`.",
      }),
      saturationDetector: z
        .strictObject({
          pluginRef: z.string().optional().meta({
            description: "Name of a saturation detector; `utilization-detector`.",
          }),
        })
        .nullish()
        .meta({ description: "Says when the pool is full. Counts without the gate too." }),
      enableEviction: z.boolean().nullish().meta({
        description: "Ends running requests of low priority for waiting ones of a higher one.",
      }),
    })
    .nullish()
    .meta({
      description:
        "Takes effect with the gate `flowControl`, which is not built yet; until then only `saturationDetector` counts.",
    }),
  saturationDetector: reference
    .nullish()
    .meta({ description: "Older place of `flowControl.saturationDetector`." }),
  parser: reference.nullish().meta({ description: "Older form of `requestHandler.parsers`." }),
} as const;

/** Sections that documents of our own group may hold beside those. */
export const ownSections = {
  objectives: z
    .array(objective)
    .nullish()
    .meta({ description: "Priorities by objective, where no cluster knows them." }),
  modelRewrites: z.array(rewriteRule).nullish().meta({
    description: "Models asked for by another name; rules that match exactly before the others.",
  }),
  decisions: z
    .strictObject({
      debugHeader: z.boolean().default(false).meta({
        description:
          "Answers `x-pointsman-debug: true` with `x-pointsman-decision`, the id of the record.",
      }),
    })
    .nullish(),
  signals: signalsSection.nullish(),
  health: healthSection.nullish(),
} as const;

const identity = {
  apiVersion: z.enum(apiVersions).meta({
    description: `The first is the one of today. Only with \`${ownApiVersion}\` may a document have our own sections and plugins. The others are older.`,
  }),
  kind: z.literal("EndpointPickerConfig").meta({ description: "Always this." }),
};

/** A whole document, for the generated schema; `readDocument` reads one part by part. */
export const documentSchema = z.strictObject({ ...identity, ...sections, ...ownSections });

/** The sections of a document as far as they could be read, without the lists that are read entry by entry. */
export type Sections = Omit<
  Partial<z.infer<typeof documentSchema>>,
  "apiVersion" | "kind" | "plugins" | "schedulingProfiles"
>;
export type PluginEntry = z.infer<typeof pluginEntry>;
export type ProfileEntry = z.infer<typeof profileEntry>;
