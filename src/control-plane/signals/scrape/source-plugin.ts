import { z } from "zod";
import { declared } from "../../../core/plugin.ts";
import type { SecretRef } from "../../../core/secrets.ts";
import { parseDurationMs } from "../../../std/quantities.ts";
import type { AccessOptions, HeaderSource } from "./scrape-access.ts";
import type { MetricsAddresses } from "./scrape-address.ts";

/** Scrape settings of a document; undefined if the flag or the default applies. */
export interface ScrapeSource
  extends
    Omit<AccessOptions, "insecureSkipVerify">,
    Pick<MetricsAddresses, "engineAddresses" | "usesPodAnnotations"> {
  readonly scheme: "http" | "https" | undefined;
  readonly path: string | undefined;
  readonly port: number | undefined;
  readonly insecureSkipVerify: boolean | undefined;
  readonly intervalMs: number | undefined;
}

/** Default path of metrics. */
export const usualMetricsPath = "/metrics";

/** The path of a URL, without surrounding blanks; undefined if it is not a path. */
export function metricsPathIn(text: string): string | undefined {
  const path = text.trim();
  return /^\/[\x21-\x7e]*$/.test(path) && !path.includes("#") ? path : undefined;
}

const pathParam = z
  .string()
  .refine((text) => metricsPathIn(text) !== undefined, "want a path such as /metrics")
  .transform((text) => text.trim())
  .optional();
const schemeParam = z.enum(["http", "https"]).optional();
const portParam = z.int().min(1).max(65_535).optional();
const fileParam = z.string().min(1).optional();

const secretParam = z.strictObject({
  name: z.string().min(1).meta({ description: "Name of the Secret." }),
  key: z.string().min(1).meta({ description: "Key of its data." }),
  namespace: z.string().min(1).optional().meta({
    description: "Namespace of the Secret; default the pool's namespace.",
  }),
});

/** Headers that the scraper sets itself; a document must not set them. */
const ownHeaders = new Set([
  "host",
  "accept",
  "accept-encoding",
  "connection",
  "content-length",
  "user-agent",
]);

const headerParam = z
  .strictObject({
    name: z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "want the name of a header")
      .refine((name) => !ownHeaders.has(name.toLowerCase()), "this header is set by the picker")
      .meta({ description: "Name of the header." }),
    prefix: z
      .string()
      .default("")
      .meta({ description: "Text before the value, such as `Token `." }),
    path: fileParam.meta({ description: "File with the value; watched for changes." }),
    secret: secretParam.optional().meta({ description: "Kubernetes Secret with the value." }),
  })
  .refine(({ path, secret }) => (path === undefined) !== (secret === undefined), {
    message: "want either path or secret: a value in the document would be readable by anyone",
  });

const engineParam = z.strictObject({
  name: z.string().min(1).meta({ description: "The engine's name." }),
  scheme: schemeParam.meta({ description: "Scheme of this engine's scrapes." }),
  path: pathParam.meta({ description: "Path of this engine's scrapes." }),
  port: portParam.meta({ description: "Port of this engine's scrapes." }),
});

const sourceParams = z
  .strictObject({
    scheme: schemeParam.meta({
      description: "Scheme of scrapes; by default that of the flag.",
      tune: "https if engines serve TLS.",
    }),
    path: pathParam.meta({ description: "Path of scrapes; by default that of the flag." }),
    port: portParam.meta({
      description: "Port of scrapes; by default that of the flag.",
      tune: "Set it if engines report metrics on another port than they serve on.",
    }),
    engines: z.array(engineParam).default([]).meta({
      description:
        "Addresses of metrics by engine; they take precedence over the address above. If no label names an endpoint's engine, each of these addresses is tried until one has metrics.",
    }),
    podAnnotations: z.boolean().default(true).meta({
      description:
        "Whether a pod's annotations `prometheus.io/scheme`, `/path` and `/port` take precedence. If the address that they name has no usable metrics, the others are tried.",
      tune: "false if the annotations are for another exporter in the pod.",
    }),
    insecureSkipVerify: z.boolean().optional().meta({
      description:
        "Scrapes https without verifying the certificate. By default certificates are verified if `caCertPath` is set, otherwise the flag decides.",
      tune: "false if engines have verifiable certificates.",
    }),
    interval: z
      .string()
      .refine((text) => parseDurationMs(text) !== undefined, "want a duration such as 50ms or 1s")
      .optional()
      .meta({
        unit: "duration",
        description: "Time between two scrapes of an endpoint; less than 50ms counts as 50ms.",
        tune: "Raise it to save CPU on both sides.",
      }),
    caCertPath: fileParam.meta({
      description:
        "PEM file with the authorities that certificates are verified against; active checks over https use it too. The file is watched for changes.",
    }),
    serverName: z.string().min(1).optional().meta({
      description: "Name that certificates must be for; by default the endpoint's address.",
      tune: "Set it if certificates are for a name, as most are.",
    }),
    clientCertPath: fileParam.meta({ description: "PEM file with the client certificate." }),
    clientKeyPath: fileParam.meta({ description: "PEM file with the key of `clientCertPath`." }),
    bearerTokenPath: fileParam.meta({
      description: "File with a token to send as `Authorization: Bearer`.",
    }),
    bearerTokenSecret: secretParam.optional().meta({
      description: "Kubernetes Secret with such a token, instead of a file.",
      tune: "Prefer a mounted file: it needs no permission to read Secrets.",
    }),
    headers: z.array(headerParam).default([]).meta({
      description: "Further headers with values from files or Secrets.",
    }),
  })
  .superRefine((params, context) => {
    for (const [path, message] of mistakesIn(params)) {
      context.addIssue({ code: "custom", path: [path], message });
    }
  });

interface Exclusive {
  readonly clientCertPath?: string | undefined;
  readonly clientKeyPath?: string | undefined;
  readonly bearerTokenPath?: string | undefined;
  readonly bearerTokenSecret?: object | undefined;
  readonly headers: readonly { readonly name: string }[];
}

function mistakesIn(params: Exclusive): (readonly [path: string, message: string])[] {
  const { clientCertPath, clientKeyPath, bearerTokenPath, bearerTokenSecret, headers } = params;
  const mistakes: (readonly [string, string])[] = [];
  if (clientCertPath !== undefined && clientKeyPath === undefined) {
    mistakes.push(["clientCertPath", "wants clientKeyPath too"]);
  }
  if (clientKeyPath !== undefined && clientCertPath === undefined) {
    mistakes.push(["clientKeyPath", "wants clientCertPath too"]);
  }
  const tokens = [bearerTokenPath, bearerTokenSecret].filter((token) => token !== undefined);
  if (tokens.length > 1)
    mistakes.push(["bearerTokenSecret", "want this or bearerTokenPath, not both"]);
  const names = headers.map(({ name }) => name.toLowerCase());
  if (tokens.length > 0) names.push("authorization");
  if (new Set(names).size < names.length) mistakes.push(["headers", "name a header only once"]);
  return mistakes;
}

/** Scrape settings. They count even if the plugin is only declared and no source refers to it. */
export const metricsSourcePlugin = declared({
  kinds: ["data-source"],
  type: "metrics-data-source",
  summary:
    "Sets how engines are scraped. The first one counts, even if no `dataLayer.sources` refers to it; flags supply what it leaves out. For addresses, credentials and certificates see [engines.md](engines.md).",
  params: sourceParams,
  create: (params): ScrapeSource => ({
    scheme: params.scheme,
    path: params.path,
    port: params.port,
    engineAddresses: params.engines,
    usesPodAnnotations: params.podAnnotations,
    insecureSkipVerify:
      params.insecureSkipVerify ?? (params.caCertPath === undefined ? undefined : false),
    serverName: params.serverName,
    caPath: params.caCertPath,
    clientCertPath: params.clientCertPath,
    clientKeyPath: params.clientKeyPath,
    headers: headersOf(params),
    intervalMs: params.interval === undefined ? undefined : parseDurationMs(params.interval),
  }),
});

function headersOf(params: z.output<typeof sourceParams>): readonly HeaderSource[] {
  const { bearerTokenPath: path, bearerTokenSecret: secret, headers } = params;
  const token = { name: "authorization", prefix: "Bearer ", path, secret };
  return [token, ...headers].flatMap(({ name, prefix, ...given }): readonly HeaderSource[] => {
    if (given.path !== undefined) {
      return [{ name, prefix, from: { kind: "file", path: given.path } }];
    }
    if (given.secret === undefined) return [];
    return [{ name, prefix, from: { kind: "secret", secret: secretOf(given.secret) } }];
  });
}

function secretOf({ name, key, namespace }: z.output<typeof secretParam>): SecretRef {
  return { name, key, namespace };
}
