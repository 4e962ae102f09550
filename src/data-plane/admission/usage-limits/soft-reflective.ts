import { z } from "zod";
import { usageLimitPolicyPlugin } from "../../../core/data-plane-plugin.ts";

/** Keeps the division defined at a saturation of 1. */
const epsilon = 1e-9;

/** Opens lower bands less often the fuller the pool is. */
export const softReflectiveCeiling = usageLimitPolicyPlugin({
  type: "soft-reflective-ceiling-policy",
  summary:
    "Opens lower bands less often the fuller the pool is. Band `i` of `n`, from the highest, is open below the saturation `s` with `s = 1 - i s / (n - 1)`; above it, it is open for each `round(s / (1 - s))`-th reading. At a saturation of 1 only the highest band is open.",
  params: z.strictObject({}),
  create: () => {
    let reading = 0;
    return {
      limit: (saturation, priorities, ceilings) => {
        const isBusy = saturation >= 1 - saturation && saturation < 1;
        if (isBusy) reading += 1;
        const period = Math.max(1, Math.round(saturation / (1 - saturation + epsilon)));
        const isTurn = reading % period === 0;
        const last = priorities.length - 1;
        for (let index = 1; index <= last; index += 1) {
          const limit = 1 - (index * saturation) / last;
          if (saturation < limit) continue;
          ceilings[index] = saturation < 1 && isTurn ? 1 : 0;
        }
      },
    };
  },
});
