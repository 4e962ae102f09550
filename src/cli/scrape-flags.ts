import type { ScrapeFlags } from "../control-plane/signals/scrape/scrape-settings.ts";
import { metricsPathIn } from "../control-plane/signals/scrape/source-plugin.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** Where the engines' metrics are. */
export const metricsPlaceFlags = {
  "model-server-metrics-path": {
    kind: "string",
    initial: "/metrics",
    help: "Path of the engines' metrics.",
  },
  "model-server-metrics-port": {
    kind: "int",
    initial: 0,
    min: 0,
    max: 65_535,
    shownDefault: "the endpoint's port",
    help: "Port of the engines' metrics.",
  },
} as const satisfies FlagTable;

/** Flags of the scrapes of endpoints. */
export const scrapeFlags = {
  "refresh-metrics-interval": {
    kind: "duration",
    initial: 50,
    help: "Interval between scrapes of an endpoint, at least 50ms.",
  },
  "model-server-metrics-scheme": {
    kind: "string",
    initial: "http",
    help: "Scheme of scrapes: http or https.",
  },
  ...metricsPlaceFlags,
  "model-server-metrics-https-insecure-skip-verify": {
    kind: "boolean",
    initial: true,
    help: "Scrape https without verifying certificates.",
  },
} as const satisfies FlagTable;

/** `engine`: one with metrics that flags name. */
export function scrapeFlagsOf(
  values: FlagValues<typeof scrapeFlags>,
  engine: ScrapeFlags["engine"],
): ScrapeFlags {
  return {
    scheme: schemeOf(values["model-server-metrics-scheme"]),
    ...metricsPlaceIn(values),
    insecureSkipVerify: values["model-server-metrics-https-insecure-skip-verify"],
    intervalMs: values["refresh-metrics-interval"],
    engine,
  };
}

function schemeOf(scheme: string): "http" | "https" {
  if (scheme === "http" || scheme === "https") return scheme;
  throw new UsageError([
    `invalid argument ${JSON.stringify(scheme)} for --model-server-metrics-scheme: want http or https`,
  ]);
}

/** The place that the flags name. Throws a `UsageError` if the path is not one. `port`: undefined for that of each endpoint. */
export function metricsPlaceIn(values: FlagValues<typeof metricsPlaceFlags>): {
  readonly path: string;
  readonly port: number | undefined;
} {
  const given = values["model-server-metrics-path"];
  const path = metricsPathIn(given);
  if (path === undefined) {
    throw new UsageError([
      `invalid argument ${JSON.stringify(given)} for --model-server-metrics-path: want a path such as /metrics`,
    ]);
  }
  return { path, port: values["model-server-metrics-port"] || undefined };
}
