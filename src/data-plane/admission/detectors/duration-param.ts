import { z } from "zod";
import { parseDurationMs } from "../../../std/quantities.ts";

/** A parameter that is a Go duration; it stays as written, for `durationMsOf` of `std/quantities.ts`. */
const durationParam = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, "want a duration such as 200ms or 1m30s");

/** The same, and longer than nothing. */
export const positiveDurationParam = durationParam.refine(
  (text) => (parseDurationMs(text) ?? 1) > 0,
  "must be longer than 0",
);
