import type { Filter } from "../../../core/data-plane-plugin.ts";
import { servesStage, type Stage } from "../../../core/roles.ts";

/** Keeps the engines that serve one stage, by their label. */
export function roleFilter(stage: Stage): Filter {
  return {
    filter: (_context, candidates) => candidates.filter((endpoint) => servesStage(endpoint, stage)),
  };
}
