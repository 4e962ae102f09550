import type { InferenceRequest } from "../../../core/request.ts";

/** True if the engine only tokenizes the prompt, so that it caches nothing of it. */
export function isOnlyTokenized({ dialect, head }: InferenceRequest): boolean {
  return dialect === "count-tokens" || /\/render\/?(?:\?|$)/u.test(head.path);
}
