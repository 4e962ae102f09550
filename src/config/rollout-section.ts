import { z } from "zod";
import type { RolloutSettings } from "../core/rollout-settings.ts";
import { durationMsOf } from "../std/quantities.ts";
import { positiveDurationField } from "./durations.ts";

const percent = z.number().gt(0).lt(100);
const rise = z.number().gt(0).max(10);

/** The section `rollout` of a document of `ownApiVersion`. */
export const rolloutSection = z
  .strictObject({
    steps: z
      .array(percent)
      .min(1)
      .max(20)
      .refine((steps) => steps.every((step, index) => step > (steps[index - 1] ?? 0)), {
        message: "want ascending percentages",
      })
      .default([1, 10, 50])
      .meta({
        unit: "percent",
        description:
          "Shares of the requests that this document decides about, one after another. After the last one, it decides about all.",
        tune: "Begin higher if a step of 1 % has too few requests.",
      }),
    stickBy: z.enum(["conversation", "tenant"]).default("conversation").meta({
      description: "Requests that one document decides about together.",
      tune: "Set it to tenant if tenants share long prompts, and there are many.",
    }),
    stepTime: positiveDurationField("10m").default("10m").meta({
      unit: "duration",
      description: "Minimum time of each step.",
    }),
    stepRequests: z.int().min(1).default(200).meta({
      unit: "requests",
      description: "Minimum requests of this document in each step.",
    }),
    stepTimeMax: positiveDurationField("24h").default("24h").meta({
      unit: "duration",
      description: "Maximum time of a step; the document is then rolled back.",
    }),
    ttftRiseMax: rise.default(0.15).meta({
      unit: "ratio",
      description:
        "Rise of the time to first token that is tolerated; of answers that do not stream, of the time to their first byte.",
      tune: "A lower value needs more requests: four times as many for half of it.",
    }),
    tpotRiseMax: rise.default(0.15).meta({
      unit: "ratio",
      description: "Rise of the time per further token that is tolerated.",
    }),
    errorRiseMax: z.number().min(0).max(1).default(0.005).meta({
      unit: "ratio",
      description: "Rise of the share of failed requests that is tolerated.",
    }),
    confidence: z.number().min(0.5).lt(1).default(0.95).meta({
      unit: "ratio",
      description: "Minimum probability that a document that is as good is not rolled back.",
    }),
  })
  .meta({
    description:
      "How this document takes over requests if it is the shadow document ([rollout.md](rollout.md)). No effect in the document in force.",
  });

/** Settings of the section; undefined if the document takes over no requests. */
export function rolloutSettingsOf(
  section: z.infer<typeof rolloutSection> | null | undefined,
): RolloutSettings | undefined {
  if (section == null) return undefined;
  const { steps, stepTime, stepTimeMax, ...settings } = section;
  return {
    ...settings,
    steps: steps.map((step) => step / 100),
    stepMs: durationMsOf(stepTime),
    stepMsMax: durationMsOf(stepTimeMax),
  };
}
