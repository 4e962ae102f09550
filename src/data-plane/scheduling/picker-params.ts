import { z } from "zod";

/** What every picker takes. */
export const pickerParams = z.strictObject({
  /**
   * Endpoints to answer with, best first; those after the first are fallbacks for a proxy that
   * retries. Only a proxy that accepts a list may be given more than one.
   */
  maxNumOfEndpoints: z.int().min(1).default(1),
});
