import type { Refusal } from "../../core/errors.ts";
import type { InferenceRequest } from "../../core/request.ts";

/** Computes the saturation of the pool now. */
export type SaturationNow = () => number;

/**
 * Returns the refusal if the request is shed: its priority is below 0, and saturation is 1 or more.
 */
export function shedding(
  { priority }: Pick<InferenceRequest, "priority">,
  saturation: SaturationNow,
): Refusal | undefined {
  if (priority >= 0) return undefined;
  const ratio = saturation();
  if (ratio < 1) return undefined;
  const percent = Math.round(ratio * 100);
  return {
    code: "saturated",
    message: `the model servers are saturated (${percent} %), and the request's priority is below 0`,
  };
}
