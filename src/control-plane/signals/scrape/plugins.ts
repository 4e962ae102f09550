import { z } from "zod";
import { declared } from "../../../core/plugin.ts";

/** Milliseconds of a Go duration; the peer writes intervals so. */
const interval = z
  .string()
  .regex(/^\d+(\.\d+)?(ms|s|m)$/, "want a duration such as 50ms or 1s")
  .transform(
    (text) =>
      Number.parseFloat(text) * (text.endsWith("ms") ? 1 : text.endsWith("s") ? 1_000 : 60_000),
  );

/** What a document says about scraping; undefined where it leaves the flag or the default. */
export interface ScrapeSource {
  readonly scheme: "http" | "https" | undefined;
  readonly path: string | undefined;
  readonly port: number | undefined;
  readonly insecureSkipVerify: boolean | undefined;
  readonly intervalMs: number | undefined;
}

const sourceParams = z.strictObject({
  /** Scheme of scrapes. */
  scheme: z.enum(["http", "https"]).optional(),
  /** Path of scrapes. */
  path: z.string().startsWith("/").optional(),
  /** Port of scrapes, where engines report on another one than they serve on. */
  port: z.int().min(1).max(65_535).optional(),
  /** Scrape https without verifying the certificate. */
  insecureSkipVerify: z.boolean().optional(),
  /** Time between two scrapes of an endpoint. */
  interval: interval.optional(),
});

/** How engines are scraped. Counts also where it is only declared and no source refers to it. */
export const metricsSourcePlugin = declared({
  kind: "data-source",
  type: "metrics-data-source",
  params: sourceParams,
  create: ({ scheme, path, port, insecureSkipVerify, interval: intervalMs }): ScrapeSource => ({
    scheme,
    path,
    port,
    insecureSkipVerify,
    intervalMs,
  }),
});

const extractorParams = z.strictObject({
  /** Engine of endpoints that no label names. */
  defaultEngine: z.literal("vllm").optional(),
  /** Label that names an endpoint's engine. */
  engineLabelKey: z.string().optional(),
});

/** Which families are read; vLLM's, until other engines follow. */
export const metricsExtractorPlugin = declared({
  kind: "extractor",
  type: "core-metrics-extractor",
  params: extractorParams,
  create: (options) => options,
});
