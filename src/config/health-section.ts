import { z } from "zod";
import type { HealthCheckSettings, HealthSettings } from "../core/health-settings.ts";
import { durationMsOf } from "../std/quantities.ts";
import { durationField, positiveDurationField } from "./durations.ts";

const duration = durationField("10s, or 0s");
const positive = positiveDurationField("2s");

/** The section `health` of a document of `ownApiVersion`. */
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
    shortAnswersInRow: z.int().min(0).default(12).meta({
      unit: "answers",
      description:
        "An endpoint is ejected after this many answers in a row that are far shorter, and over far sooner, than those of the other endpoints to requests of the same kind; 0 for never.",
    }),
    ejectionTime: duration.default("10s").meta({
      unit: "duration",
      description: "Duration of the first ejection; each further one is twice as long as the last.",
    }),
    ejectionTimeMax: duration.default("5m").meta({
      unit: "duration",
      description: "Maximum duration of an ejection.",
    }),
    ejectedShare: z.number().min(0).max(1).default(0.5).meta({
      unit: "ratio",
      description:
        "Maximum share of live endpoints that may be ejected; the last one never is. Dead endpoints, which refuse connections or fail their checks, do not count.",
    }),
    slowStart: duration.default("10s").meta({
      unit: "duration",
      description:
        "Time over which a new or returning endpoint ramps up to its full share; 0s for at once.",
      tune: "Raise it if engines warm up slowly.",
    }),
    lastResort: z.boolean().default(true).meta({
      description:
        "Lets an endpoint that is about to be preempted or evicted, and still answers, take requests if no other endpoint is left.",
      tune: "Set to false if a request that may be cut off is worse than a 503.",
    }),
    check: z
      .strictObject({
        path: z.string().startsWith("/").default("/health").meta({
          description: "Path of the check. An endpoint that answers GET with 200 passes.",
        }),
        grpcService: z.string().optional().meta({
          description:
            "Checks this name with the standard gRPC health service instead, without TLS; empty for the server as a whole.",
        }),
        port: z.int().min(1).max(65_535).optional().meta({
          description: "Port of checks; default the port it serves on.",
        }),
        interval: positive.default("2s").meta({
          unit: "duration",
          description: "Interval between checks.",
        }),
        timeout: positive
          .default("1s")
          .meta({ unit: "duration", description: "Timeout of a check." }),
        failures: z.int().min(1).default(3).meta({
          unit: "checks",
          description: "Failed checks in a row that eject an endpoint until a check succeeds.",
        }),
      })
      .nullish()
      .meta({ description: "Active health checks of every endpoint; off by default." }),
  })
  .meta({ description: "When an endpoint is ejected and when it returns." });

/** Settings of the section, with defaults for fields that are left out. */
export function healthSettingsOf(
  section: z.infer<typeof healthSection> | null | undefined,
): HealthSettings {
  const values = section ?? healthSection.parse({});
  return {
    failuresInRowMax: values.failuresInRow,
    failureRatioMax: values.failureRatio,
    ttftFactorMax: values.ttftFactor,
    stallMs: durationMsOf(values.stallTimeout),
    shortAnswersInRowMax: values.shortAnswersInRow,
    ejectionMs: durationMsOf(values.ejectionTime),
    ejectionMsMax: durationMsOf(values.ejectionTimeMax),
    ejectedRatioMax: values.ejectedShare,
    slowStartMs: durationMsOf(values.slowStart),
    hasLastResort: values.lastResort,
  };
}

/** Settings of the active health check; undefined if the section does not enable it. */
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
