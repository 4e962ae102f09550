import type { Refusal } from "../../core/errors.ts";
import type { InferenceRequest } from "../../core/request.ts";

/** Says how full the pool is when a request asks. */
export type SaturationNow = () => number;

/**
 * Whether a request has to wait for better times. Without flow control only requests of a priority
 * below 0 may be shed, and they are from a saturation of 1 on.
 */
export function shedding(
  { priority }: Pick<InferenceRequest, "priority">,
  saturation: SaturationNow,
): Refusal | undefined {
  if (priority >= 0 || saturation() < 1) return undefined;
  return {
    code: "saturated",
    message: "the model servers are saturated, and the request's priority is below 0",
  };
}
