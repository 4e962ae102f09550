import { z } from "zod";

/** Parameters of every picker. */
export const pickerParams = z.strictObject({
  maxNumOfEndpoints: z.int().min(1).default(1).meta({
    description:
      "Number of endpoints in the response, best first; those after the first are fallbacks for a proxy that retries.",
    unit: "endpoints",
    tune: "Raise it only behind a proxy that accepts a list.",
  }),
});
