import { z } from "zod";

/** The section `shadow` of a document of `ownApiVersion`. */
export const shadowSection = z
  .strictObject({
    cpuBudget: z.number().gt(0).max(1).default(0.02).meta({
      unit: "share of a core",
      description:
        "CPU budget of comparing the shadow document with the one in force. Beyond it, fewer requests are compared.",
      tune: "Raise it if `pointsman_shadow_sampled_ratio` is low and the picker has CPU to spare.",
    }),
  })
  .meta({
    description:
      "How this document is compared if it is the shadow document ([rollout.md](rollout.md)). No effect in the document in force.",
  });

/** CPU budget of the section, as a share of a core. */
export function shadowBudgetOf(section: z.infer<typeof shadowSection> | null | undefined): number {
  return (section ?? shadowSection.parse({})).cpuBudget;
}
