import { headerTable, valueOf } from "./headers.ts";
import type { InferenceRequest } from "./request.ts";

/** The fairness id of a request without one. */
export const defaultFairnessId = "default-flow";

/** The tenant, user or agent that a request belongs to: that of its header, else the agent that a plugin has found. */
export function fairnessIdOf({
  head,
  agentId,
}: Pick<InferenceRequest, "head" | "agentId">): string {
  return valueOf(head.headers, headerTable.fairnessId) || agentId || defaultFairnessId;
}
