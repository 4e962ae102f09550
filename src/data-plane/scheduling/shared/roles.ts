import type { Filter } from "../../../core/data-plane-plugin.ts";
import { labelOf } from "./labels.ts";

/** The label with the stages of a request that an engine serves. */
const roleLabel = "llm-d.ai/role";

interface RoleRule {
  /** Values of the label that serve the stage. */
  readonly roles: readonly string[];
  /** True if an engine without the label serves the stage too. */
  readonly keepsUnlabelled: boolean;
}

/** Keeps the engines that serve one stage, by their label. */
export function roleFilter({ roles, keepsUnlabelled }: RoleRule): Filter {
  const served = new Set(roles);
  return {
    filter: (_context, candidates) =>
      candidates.filter(({ labels }) => {
        const role = labelOf(labels, roleLabel);
        return role === undefined ? keepsUnlabelled : served.has(role);
      }),
  };
}
