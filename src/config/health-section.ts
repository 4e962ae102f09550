import { z } from "zod";
import type { HealthCheckSettings, HealthSettings } from "../core/health-settings.ts";
import { durationMsOf } from "../std/quantities.ts";
import { durationField, positiveDurationField } from "./durations.ts";

const duration = durationField("10s, or 0s");
const positive = positiveDurationField("2s");

/** The section `health` of a document of our own group. */
export const healthSection = z
  .strictObject({
    failuresInRow: z.int().min(0).default(3).meta({
      unit: "answers",
      description: "Failed answers in a row (5xx) that eject an endpoint; 0 for never.",
    }),
    failureRatio: z.number().min(0).max(1).default(0.1).meta({
      unit: "ratio",
      description:
        "Share of failed answers in 30s that ejects an endpoint, if it is also three times that of the others; 0 for never.",
    }),
    ttftFactor: z.number().min(0).default(3).meta({
      unit: "factor",
      description:
        "An endpoint is ejected if the first tokens of its streams take this many times as long as such work usually takes, both there and at the other endpoints; 0 for never.",
      tune: "Raise it if engines share their machines with other work.",
    }),
    stallTimeout: duration.default("10s").meta({
      unit: "duration",
      description:
        "An endpoint is ejected if it answers none of its waiting requests for this long, and for five times what their work usually takes, while its engine reports no progress and others answer; 0s for never.",
    }),
    ejectionTime: duration.default("10s").meta({
      unit: "duration",
      description: "The first ejection; each further one is twice as long as the one before.",
    }),
    ejectionTimeMax: duration.default("5m").meta({
      unit: "duration",
      description: "The longest ejection.",
    }),
    ejectedShare: z.number().min(0).max(1).default(0.5).meta({
      unit: "ratio",
      description:
        "Largest share of the living endpoints that may be ejected; never the last one. Dead endpoints, which refuse connections or fail their checks, do not count.",
    }),
    slowStart: duration.default("10s").meta({
      unit: "duration",
      description:
        "Time in which an endpoint that is new or returns grows to its full share; 0s for at once.",
      tune: "Raise it where engines warm up for long.",
    }),
    lastResort: z.boolean().default(true).meta({
      description:
        "Whether an endpoint that a queueing system or the cluster is about to end, and that still answers, takes requests where no other is left.",
      tune: "false where a request that may be cut off is worse than a 503.",
    }),
    check: z
      .strictObject({
        path: z.string().startsWith("/").default("/health").meta({
          description: "An endpoint is well that answers 200 to a GET of it.",
        }),
        grpcService: z.string().optional().meta({
          description:
            "Asks the standard gRPC health service for this name instead, in cleartext; empty for the server as a whole.",
        }),
        port: z.int().min(1).max(65_535).optional().meta({
          description: "Port of checks; the one it serves on where left out.",
        }),
        interval: positive.default("2s").meta({
          unit: "duration",
          description: "Time between two checks.",
        }),
        timeout: positive
          .default("1s")
          .meta({ unit: "duration", description: "Longest time of a check." }),
        failures: z.int().min(1).default(3).meta({
          unit: "checks",
          description: "Failed checks in a row that eject an endpoint, until one is answered.",
        }),
      })
      .nullish()
      .meta({ description: "Asks every endpoint whether it is well; left out, nobody is asked." }),
  })
  .meta({ description: "When an endpoint gets no requests for a while." });

/** What the section says, with its defaults where it is left out. */
export function healthSettingsOf(
  section: z.infer<typeof healthSection> | null | undefined,
): HealthSettings {
  const values = section ?? healthSection.parse({});
  return {
    failuresInRowMax: values.failuresInRow,
    failureRatioMax: values.failureRatio,
    ttftFactorMax: values.ttftFactor,
    stallMs: durationMsOf(values.stallTimeout),
    ejectionMs: durationMsOf(values.ejectionTime),
    ejectionMsMax: durationMsOf(values.ejectionTimeMax),
    ejectedRatioMax: values.ejectedShare,
    slowStartMs: durationMsOf(values.slowStart),
    hasLastResort: values.lastResort,
  };
}

/** How endpoints are asked, where the section says that they are. */
export function healthCheckOf(
  section: z.infer<typeof healthSection> | null | undefined,
): HealthCheckSettings | undefined {
  const check = section?.check;
  if (check == null) return undefined;
  return {
    path: check.path,
    grpcService: check.grpcService,
    port: check.port,
    intervalMs: durationMsOf(check.interval),
    timeoutMs: durationMsOf(check.timeout),
    failuresMax: check.failures,
  };
}
