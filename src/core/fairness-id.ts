import { headerTable, valueOf } from "./headers.ts";
import type { InferenceRequest } from "./request.ts";

/** The fairness id of a request without one. */
export const defaultFairnessId = "default-flow";

/** The tenant or user that a request belongs to, as its header says. */
export function fairnessIdOf({ head }: Pick<InferenceRequest, "head">): string {
  return valueOf(head.headers, headerTable.fairnessId) || defaultFairnessId;
}
