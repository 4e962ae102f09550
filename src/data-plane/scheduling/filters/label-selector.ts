import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { labelOf } from "../shared/labels.ts";

const requirement = z
  .strictObject({
    key: z.string().min(1).meta({ description: "The label to check." }),
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]).meta({
      description:
        "`In` and `NotIn` compare with `values`; `NotIn` also matches endpoints without the label. `Exists` and `DoesNotExist` check only for the label.",
    }),
    values: z.array(z.string()).default([]).meta({
      description: "At least one for `In` and `NotIn`, none for the others.",
    }),
  })
  .superRefine(({ operator, values }, context) => {
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues === values.length > 0) return;
    const message = wantsValues ? `${operator} needs at least one` : `${operator} takes none`;
    context.addIssue({ code: "custom", path: ["values"], message });
  });

const params = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).default({}).meta({
    description: "Labels with their required values.",
  }),
  matchExpressions: z.array(requirement).default([]).meta({
    description: "Further requirements; all must be met.",
  }),
});

/** Keeps endpoints by a Kubernetes label selector. */
export const labelSelectorFilter = filterPlugin({
  type: "label-selector-filter",
  aliases: ["by-label-selector"],
  summary:
    "Keeps endpoints that meet a Kubernetes label selector: every entry of `matchLabels` and every one of `matchExpressions`. An empty selector keeps everything. For pools of several kinds of engines, by hardware, zone or the stage they serve.",
  params,
  create: ({ matchLabels, matchExpressions }) => {
    const tests = [
      ...Object.entries(matchLabels).map(([key, value]) =>
        testOf({ key, operator: "In", values: [value] }),
      ),
      ...matchExpressions.map(testOf),
    ];
    return {
      filter: (_context, candidates) =>
        candidates.filter(({ labels }) => tests.every((isMet) => isMet(labels))),
    };
  },
});

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function testOf({ key, operator, values }: z.infer<typeof requirement>): LabelTest {
  const listed = new Set<string | undefined>(values);
  switch (operator) {
    case "In":
      return (labels) => listed.has(labelOf(labels, key));
    case "NotIn":
      return (labels) => !listed.has(labelOf(labels, key));
    case "Exists":
      return (labels) => labelOf(labels, key) !== undefined;
    case "DoesNotExist":
      return (labels) => labelOf(labels, key) === undefined;
  }
}
