import type { ApiKey } from "../../../../core/api-key.ts";
import type { Refusal } from "../../../../core/errors.ts";
import type { KeyUse } from "./api-keys.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** The reason to refuse another request of this key; undefined if its limit allows it. */
export function requestRefusalOf(key: ApiKey, { requests }: KeyUse): Refusal | undefined {
  return requests === undefined
    ? undefined
    : refusalOf(key, requests, { amount: 1, of: "requests" });
}

/** The same for the tokens of a prompt. */
export function tokenRefusalOf(
  key: ApiKey,
  { tokens }: KeyUse,
  promptTokens: number,
): Refusal | undefined {
  if (tokens === undefined) return undefined;
  // One token at least: a bucket that is overdrawn refuses everything.
  return refusalOf(key, tokens, { amount: Math.max(1, promptTokens), of: "tokens" });
}

/** The limits of a key as OpenAI's API shows them, names and values in turn. */
export function limitHeadersOf({ requests, tokens }: KeyUse): readonly string[] {
  return [...headersOf("requests", requests), ...headersOf("tokens", tokens)];
}

function refusalOf(
  { name }: ApiKey,
  bucket: TokenBucket,
  { amount, of }: { readonly amount: number; readonly of: "requests" | "tokens" },
): Refusal | undefined {
  const waitMs = bucket.msUntil(amount);
  if (waitMs === 0) return undefined;
  return {
    code: "rate_limit_exceeded",
    message: `the API key "${name}" has reached its limit of ${bucket.perMinute} ${of} per minute`,
    retryAfterSeconds: Math.ceil(waitMs / 1_000),
  };
}

function headersOf(of: "requests" | "tokens", bucket: TokenBucket | undefined): readonly string[] {
  if (bucket === undefined) return [];
  const left = Math.max(0, Math.floor(bucket.level));
  const pairs: readonly (readonly [string, string])[] = [
    [`x-ratelimit-limit-${of}`, String(bucket.perMinute)],
    [`x-ratelimit-remaining-${of}`, String(left)],
    [`x-ratelimit-reset-${of}`, durationText(bucket.msUntil(bucket.perMinute))],
  ];
  return pairs.flat();
}

/** `20ms`, `1.5s`, `6m0s`, as OpenAI's API writes the time until a limit is whole again. */
export function durationText(durationMs: number): string {
  const ms = Math.ceil(durationMs);
  if (ms < 1_000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = (ms - minutes * 60_000) / 1_000;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}
