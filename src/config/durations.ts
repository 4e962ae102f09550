import { z } from "zod";
import { parseDurationMs } from "../std/quantities.ts";

/** A Go duration, kept as written; error messages show `example`. */
export function durationField(example: string) {
  return z
    .string()
    .refine((text) => parseDurationMs(text) !== undefined, `want a duration such as ${example}`);
}

/** A Go duration longer than zero. */
export function positiveDurationField(example: string) {
  return z
    .string()
    .refine(
      (text) => (parseDurationMs(text) ?? 0) > 0,
      `want a duration above 0, such as ${example}`,
    );
}
