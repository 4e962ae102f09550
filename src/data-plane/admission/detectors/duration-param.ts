import { z } from "zod";
import { parseDurationMs } from "../../../std/quantities.ts";

/** A parameter that is a Go duration; kept as text, which `durationMsOf` of `std/quantities.ts` converts. */
const durationParam = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, "want a duration such as 200ms or 1m30s");

/** A duration parameter that must be longer than 0. */
export const positiveDurationParam = durationParam.refine(
  (text) => (parseDurationMs(text) ?? 1) > 0,
  "must be longer than 0",
);
