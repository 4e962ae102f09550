import { z } from "zod";
import type { SignalSettings } from "../core/signal-settings.ts";
import { durationMsOf } from "../std/quantities.ts";
import { positiveDurationField } from "./durations.ts";

const duration = positiveDurationField("200ms");

/** The section `signals` of a document of `ownApiVersion`. */
export const signalsSection = z
  .strictObject({
    idleInterval: duration.default("1s").meta({
      unit: "duration",
      description:
        "Maximum interval between scrapes of an idle endpoint. An endpoint that gets a request is scraped at once.",
      tune: "Raise it for pools of many hundreds of endpoints; lower it if other clients send requests to them too.",
    }),
    calmInterval: duration.default("150ms").meta({
      unit: "duration",
      description:
        "Maximum interval between scrapes of an endpoint that works on requests while no new ones arrive.",
    }),
    cpuBudget: z.number().gt(0).max(1).default(0.05).meta({
      unit: "share of a core",
      description: "CPU budget of scraping; all intervals stretch to stay within it.",
      tune: "Raise it if many endpoints are busy and signals become old; see `pointsman_endpoint_signals_age_seconds`.",
    }),
    trustGrace: duration.default("250ms").meta({
      unit: "duration",
      description: "Delay up to which a report has its full weight.",
    }),
    trustHalfLife: duration.default("1s").meta({
      unit: "duration",
      description: "Time in which the weight of a report halves once the grace is over.",
    }),
    trustBound: duration.default("5s").meta({
      unit: "duration",
      description: "Time after the grace from which only requests in flight count.",
    }),
  })
  .meta({ description: "How often engines are scraped, and how long their reports count." });

/** Settings of the section, with defaults for fields that are left out. */
export function signalSettingsOf(
  section: z.infer<typeof signalsSection> | null | undefined,
): SignalSettings {
  const texts = section ?? signalsSection.parse({});
  return {
    calmIntervalMs: durationMsOf(texts.calmInterval),
    idleIntervalMs: durationMsOf(texts.idleInterval),
    cpuBudgetRatio: texts.cpuBudget,
    trust: {
      graceMs: durationMsOf(texts.trustGrace),
      halfLifeMs: durationMsOf(texts.trustHalfLife),
      boundMs: durationMsOf(texts.trustBound),
    },
  };
}
