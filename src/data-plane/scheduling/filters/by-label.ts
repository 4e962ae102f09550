import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { labelOf } from "../shared/labels.ts";

const params = z
  .strictObject({
    label: z.string().min(1).meta({ description: "The label to check." }),
    validValues: z.array(z.string()).default([]).meta({
      description: 'Values of the label to keep; "" stands for no label too.',
    }),
    allowsNoLabel: z.boolean().default(false).meta({
      description: "Also keeps endpoints without the label.",
    }),
  })
  .refine(({ validValues, allowsNoLabel }) => validValues.length > 0 || allowsNoLabel, {
    path: ["validValues"],
    message: "is empty and allowsNoLabel is false, so no endpoint could match",
  });

/** Keeps endpoints by the value of one label. */
export const byLabelFilter = filterPlugin({
  type: "by-label",
  summary:
    "Keeps endpoints whose label `label` has one of `validValues`; with `allowsNoLabel` also those without the label. Deprecated: use `label-selector-filter`.",
  params,
  create: ({ label, validValues, allowsNoLabel }) => {
    const valid = new Set(validValues);
    const keepsUnlabelled = allowsNoLabel || valid.has("");
    return {
      filter: (_context, candidates) =>
        candidates.filter(({ labels }) => {
          const value = labelOf(labels, label);
          return value === undefined ? keepsUnlabelled : valid.has(value);
        }),
    };
  },
});
