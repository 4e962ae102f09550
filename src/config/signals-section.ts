import { z } from "zod";
import type { SignalSettings } from "../core/signal-settings.ts";
import { durationMsOf } from "../std/quantities.ts";
import { positiveDurationField } from "./durations.ts";

const duration = positiveDurationField("200ms");

/** The section `signals` of a document of our own group. */
export const signalsSection = z
  .strictObject({
    idleInterval: duration.default("1s").meta({
      unit: "duration",
      description:
        "Longest time between two scrapes of an endpoint where nothing happens. One that gets a request is read at once.",
      tune: "Raise it for pools of many hundreds of endpoints; lower it where others send requests to them too.",
    }),
    calmInterval: duration.default("150ms").meta({
      unit: "duration",
      description: "The same for an endpoint that works on requests while no new ones come.",
    }),
    cpuBudget: z.number().gt(0).max(1).default(0.2).meta({
      unit: "share of a core",
      description: "What scraping may use; all intervals stretch to keep it.",
      tune: "Raise it where many endpoints are busy and signals grow old; see `pointsman_endpoint_signals_age_seconds`.",
    }),
    trustGrace: duration.default("250ms").meta({
      unit: "duration",
      description: "How late a report may be and still count in full.",
    }),
    trustHalfLife: duration.default("1s").meta({
      unit: "duration",
      description: "Beyond the grace, the weight of a report halves in this time.",
    }),
    trustBound: duration.default("5s").meta({
      unit: "duration",
      description: "Beyond the grace and this, only requests in flight count.",
    }),
  })
  .meta({ description: "How often engines are read and how long they are believed." });

/** What the section says, with its defaults where it is left out. */
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
