import { z } from "zod";

/** Groups under which the same document is read; the first is the one of today. */
const apiVersions = [
  "llm-d.ai/v1alpha1",
  "pointsman.dev/v1alpha1",
  "inference.networking.x-k8s.io/v1alpha1",
  "config.x-k8s.io/v1alpha1",
] as const;

const pluginRef = z.strictObject({ pluginRef: z.string().min(1) });

/** The shape of an `EndpointPickerConfig`, before its references are resolved. */
export const documentSchema = z.strictObject({
  apiVersion: z.enum(apiVersions),
  kind: z.literal("EndpointPickerConfig"),
  featureGates: z.array(z.string()).optional(),
  plugins: z
    .array(
      z.strictObject({
        name: z.string().min(1).optional(),
        type: z.string().min(1),
        parameters: z.record(z.string(), z.unknown()).nullish(),
      }),
    )
    .optional(),
  schedulingProfiles: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        plugins: z
          .array(
            z.strictObject({
              pluginRef: z.string().min(1),
              weight: z.number().nonnegative().optional(),
            }),
          )
          .optional(),
      }),
    )
    .optional(),
  dataLayer: z
    .strictObject({
      injectDefaults: z.boolean().optional(),
      sources: z
        .array(
          z.strictObject({
            pluginRef: z.string().min(1),
            extractors: z.array(pluginRef).optional(),
          }),
        )
        .optional(),
      discovery: pluginRef.optional(),
    })
    .optional(),
});

export type ConfigDocument = z.infer<typeof documentSchema>;

/** Sections of the peer's document that no code stands behind yet. */
export const sectionsNotBuilt: readonly string[] = [
  "flowControl",
  "saturationDetector",
  "requestHandler",
  "parser",
];
