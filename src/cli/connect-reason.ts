import { reasonOf } from "../std/reason-of.ts";

/** The cause of a failed fetch, because its own message says only `fetch failed`. */
export function connectReasonOf(cause: unknown): string {
  const inner = innerOf(cause);
  if (inner instanceof AggregateError) return String(inner.errors[0]);
  return reasonOf(inner);
}

/** The code and message of the error that broke a fetch. */
export function connectErrorOf(cause: unknown): {
  readonly code: string;
  readonly message: string;
} {
  const inner = innerOf(cause);
  const code = inner instanceof Error && "code" in inner ? String(inner.code) : "";
  return { code, message: reasonOf(inner) };
}

function innerOf(cause: unknown): unknown {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error ? inner : cause;
}
