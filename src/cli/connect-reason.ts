import { reasonOf } from "../std/reason-of.ts";

/** The cause of a failed fetch, because its own message says only `fetch failed`. */
export function connectReasonOf(cause: unknown): string {
  const inner = cause instanceof Error ? cause.cause : undefined;
  if (inner instanceof AggregateError) return String(inner.errors[0]);
  return reasonOf(inner instanceof Error ? inner : cause);
}
