import { z } from "zod";

/** The section `shadow` of a document of `ownApiVersion`. */
export const shadowSection = z
  .strictObject({
    cpuBudget: z.number().gt(0).max(1).default(0.01).meta({
      unit: "share of the picker's CPU",
      description:
        "CPU budget of comparing the shadow document with the one in force, at least 0.001 of a core. Beyond it, fewer requests are compared.",
      tune: "Raise it if `pointsman_shadow_sampled_ratio` is low and the picker has CPU to spare.",
    }),
  })
  .meta({
    description:
      "How this document is compared if it is the shadow document ([rollout.md](rollout.md)). No effect in the document in force.",
  });

/** CPU budget of the section, as a share of the busy time of the event loop. */
export function shadowBudgetOf(section: z.infer<typeof shadowSection> | null | undefined): number {
  return (section ?? shadowSection.parse({})).cpuBudget;
}
