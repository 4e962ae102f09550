import { z } from "zod";
import { parseDurationMs } from "../std/quantities.ts";

/** A Go duration, kept as written; `example` is what a refusal shows. */
export function durationField(example: string) {
  return z
    .string()
    .refine((text) => parseDurationMs(text) !== undefined, `want a duration such as ${example}`);
}

/** The same, and longer than nothing. */
export function positiveDurationField(example: string) {
  return z
    .string()
    .refine(
      (text) => (parseDurationMs(text) ?? 0) > 0,
      `want a duration above 0, such as ${example}`,
    );
}
