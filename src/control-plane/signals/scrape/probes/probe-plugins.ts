import { z } from "zod";
import { declared } from "../../../../core/plugin.ts";
import { durationMsOf, parseDurationMs } from "../../../../std/quantities.ts";
import type { ProbeSettings } from "./probe-settings.ts";

/** Time limit of one reading, headers and body. */
const timeoutMs = 1_000;

/** The source of a probe, before an extractor gives it a use. */
export interface ProbeSource {
  readonly kind: "models" | "dcgm";
  /** True if it is read on the endpoint's node and not at the endpoint. */
  readonly usesNodeAddress?: boolean;
  readonly address: Omit<ProbeSettings, "kind" | "attribute" | "failuresMax" | "usesNodeAddress">;
}

/** The use of a source. */
export type ProbeUse =
  | { readonly kind: "models"; readonly refusesUnknownModels: boolean }
  | { readonly kind: "dcgm"; readonly attribute: string };

const fileOf = (description: string) => z.string().min(1).optional().meta({ description });

const common = (path: string, interval: string) => ({
  scheme: z.enum(["http", "https"]).default("http").meta({ description: "Scheme of readings." }),
  path: z.string().startsWith("/").default(path).meta({ description: "Path of readings." }),
  insecureSkipVerify: z.boolean().default(true).meta({
    description: "Reads https without verifying the certificate.",
    tune: "Set to false if endpoints have verifiable certificates.",
  }),
  interval: z
    .string()
    .refine(
      (text) => (parseDurationMs(text) ?? 0) >= 50,
      "want a duration of 50ms or more, such as 5s",
    )
    .default(interval)
    .meta({
      unit: "duration",
      description: "Interval between readings of an endpoint.",
      tune: "Lower it if the data changes fast.",
    }),
});

/** The models and adapters of every endpoint. */
export const modelsSourcePlugin = declared({
  kinds: ["data-source"],
  type: "models-data-source",
  summary:
    "Reads the list of models (`/v1/models`) of every endpoint. With `models-data-extractor` in the same entry of `dataLayer.sources`, a request goes only to endpoints that list its model or adapter, or that have not listed models yet.",
  params: z.strictObject({
    ...common("/v1/models", "5s"),
    caCertPath: fileOf(
      "PEM file with the authorities that certificates are verified against, with `insecureSkipVerify: false`. The file is watched for changes.",
    ),
    clientCertPath: fileOf(
      "PEM file with the client certificate. The file is watched for changes.",
    ),
    clientKeyPath: fileOf("PEM file with the key of the client certificate."),
  }),
  create: ({ scheme, path, interval, caCertPath: caPath, ...access }): ProbeSource => ({
    kind: "models",
    address: {
      scheme,
      path,
      port: undefined,
      timeoutMs,
      caPath,
      ...access,
      intervalMs: durationMsOf(interval),
    },
  }),
});

/** The use of the lists of models. */
export const modelsExtractorPlugin = declared({
  kinds: ["extractor"],
  type: "models-data-extractor",
  summary:
    "Sends requests only to endpoints that list their model or adapter, as read by `models-data-source`. If no endpoint lists it, all endpoints stay candidates; with `rejectUnknownModels` the request gets 404.",
  params: z.strictObject({
    rejectUnknownModels: z.boolean().default(false).meta({
      description:
        "Answers 404 `model_not_found` to a request whose model no endpoint lists, and 400 to a request that names no model although its API needs one.",
      tune: "Set to true if models are loaded before they are requested: a model that is loaded on demand would be refused until it is listed.",
    }),
  }),
  create: ({ rejectUnknownModels }): ProbeUse => ({
    kind: "models",
    refusesUnknownModels: rejectUnknownModels,
  }),
});

/** GPU utilization of every endpoint. */
export const dcgmSourcePlugin = declared({
  kinds: ["data-source"],
  type: "dcgm-data-source",
  summary:
    "Reads NVIDIA's DCGM exporter for every endpoint, by default a sidecar at the endpoint's address. With `dcgm-extractor` in the same entry of `dataLayer.sources`, GPU utilization is an attribute for `endpoint-attribute-scorer` and `endpoint-attribute-filter`.",
  params: z.strictObject({
    ...common("/metrics", "1s"),
    port: z.int().min(1).max(65_535).default(9_400).meta({ description: "Port of the exporter." }),
    useNodeAddress: z.boolean().default(false).meta({
      description:
        "Reads the exporter on the endpoint's node, a DaemonSet on the host network. Requires discovery of pods, which knows the nodes.",
    }),
  }),
  create: ({ scheme, path, port, insecureSkipVerify, interval, useNodeAddress }): ProbeSource => ({
    kind: "dcgm",
    usesNodeAddress: useNodeAddress,
    address: {
      scheme,
      path,
      port,
      timeoutMs,
      insecureSkipVerify,
      intervalMs: durationMsOf(interval),
    },
  }),
});

/** The use of the exporter's values. */
export const dcgmExtractorPlugin = declared({
  kinds: ["extractor"],
  type: "dcgm-extractor",
  summary:
    "Turns `DCGM_FI_DEV_GPU_UTIL` into the attribute `GPUUtilization`, 0 to 1, of the endpoint's busiest GPU. Series with a label `pod` count only for the endpoint of that name.",
  params: z.strictObject({}),
  create: (_: object, { name }: { readonly name: string }): ProbeUse => ({
    kind: "dcgm",
    attribute: `${name}/GPUUtilization`,
  }),
});

/**
 * Settings of the probe that reads a source for a use; undefined if they do not suit each other.
 */
export function probeSettingsOf(
  { kind, address, usesNodeAddress = false }: ProbeSource,
  use: ProbeUse,
): ProbeSettings | undefined {
  if (kind === "models" && use.kind === "models") return { ...address, kind: "models" };
  if (kind === "dcgm" && use.kind === "dcgm") {
    return { ...address, kind: "dcgm", attribute: use.attribute, usesNodeAddress };
  }
  return undefined;
}
