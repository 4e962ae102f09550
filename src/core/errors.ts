import { headerTable } from "./headers.ts";
import type { RequestHead } from "./request.ts";

interface ErrorRow {
  readonly httpStatus: number;
  /** The `type` of an error of the OpenAI API. */
  readonly type: string;
  /** The `type` of an error of the Anthropic API; source: its page "Errors". */
  readonly anthropicType: string;
  /** Value of `retry-after`, if the same request may succeed later. */
  readonly retryAfterSeconds?: number;
  /** Value of `x-llm-d-request-dropped-reason`, if the peer has one. */
  readonly droppedReason?: string;
}

/** Every error of the gateway: one row for each code. */
export const ERRORS = {
  malformed_request: {
    httpStatus: 400,
    type: "invalid_request_error",
    anthropicType: "invalid_request_error",
  },
  invalid_api_key: {
    httpStatus: 401,
    type: "invalid_request_error",
    anthropicType: "authentication_error",
  },
  model_not_allowed: {
    httpStatus: 403,
    type: "invalid_request_error",
    anthropicType: "permission_error",
  },
  host_not_allowed: {
    httpStatus: 403,
    type: "invalid_request_error",
    anthropicType: "permission_error",
  },
  origin_not_allowed: {
    httpStatus: 403,
    type: "invalid_request_error",
    anthropicType: "permission_error",
  },
  model_not_found: {
    httpStatus: 404,
    type: "invalid_request_error",
    anthropicType: "not_found_error",
  },
  body_timeout: {
    httpStatus: 408,
    type: "invalid_request_error",
    anthropicType: "invalid_request_error",
  },
  body_too_large: {
    httpStatus: 413,
    type: "invalid_request_error",
    anthropicType: "request_too_large",
  },
  saturated: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // A slot is free again as soon as one request ends.
    retryAfterSeconds: 1,
    droppedReason: "rejected-saturated",
  },
  wait_expired: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // Replaced by the time until the requests that wait are sent.
    retryAfterSeconds: 1,
    droppedReason: "rejected-ttl-expired",
  },
  evicted: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // Replaced by the time until the requests that wait are sent.
    retryAfterSeconds: 1,
    droppedReason: "evicted",
  },
  queue_full: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // A place in the queue is free again as soon as one request ends.
    retryAfterSeconds: 1,
  },
  queue_timeout: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    retryAfterSeconds: 1,
  },
  bodies_full: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // Room is free again as soon as an answer begins.
    retryAfterSeconds: 1,
  },
  rate_limit_exceeded: {
    httpStatus: 429,
    type: "rate_limit_error",
    anthropicType: "rate_limit_error",
    // Replaced by the time until the limit allows the request.
    retryAfterSeconds: 1,
  },
  no_endpoints: {
    httpStatus: 503,
    type: "service_unavailable",
    anthropicType: "overloaded_error",
    // An engine has to start, or to become ready again.
    retryAfterSeconds: 5,
    droppedReason: "rejected-no-endpoints",
  },
  overloaded: {
    httpStatus: 503,
    type: "service_unavailable",
    anthropicType: "overloaded_error",
    // The backlog is decided or refused within a second.
    retryAfterSeconds: 1,
  },
  shutting_down: {
    httpStatus: 503,
    type: "service_unavailable",
    anthropicType: "overloaded_error",
    // Another replica takes it.
    retryAfterSeconds: 1,
    droppedReason: "rejected-shutting-down",
  },
  internal: { httpStatus: 500, type: "server_error", anthropicType: "api_error" },
  upstream_unreachable: { httpStatus: 502, type: "server_error", anthropicType: "api_error" },
  upstream_broken: { httpStatus: 502, type: "server_error", anthropicType: "api_error" },
  upstream_timeout: { httpStatus: 504, type: "server_error", anthropicType: "timeout_error" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The reason that a request was not routed. The client sees `message`, so it never has a prompt or a secret. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** Takes precedence over that of the code. */
  readonly retryAfterSeconds?: number;
}

export interface ErrorResponse {
  readonly httpStatus: (typeof ERRORS)[ErrorCode]["httpStatus"];
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Paths of messages, token counts and batches under any prefix, without the query. */
const ANTHROPIC_PATH = /\/v1\/messages(?:\/|$)/u;

/**
 * The response to a refused request: status, headers, and a body in the format of the path's API, Anthropic's or else
 * OpenAI's. It has the request's id under the name that clients of that API read.
 */
export function errorResponseOf(
  refusal: Refusal,
  { id, path }: Pick<RequestHead, "id" | "path">,
): ErrorResponse {
  const { code, message } = refusal;
  const row: ErrorRow = ERRORS[code];
  const { httpStatus } = ERRORS[code];
  const isAnthropic = isAnthropicPath(path);
  const pairs: [string, string][] = [
    ["content-type", "application/json"],
    [isAnthropic ? "request-id" : "x-request-id", id],
  ];
  const retryAfterSeconds = refusal.retryAfterSeconds ?? row.retryAfterSeconds;
  if (retryAfterSeconds !== undefined) pairs.push(["retry-after", String(retryAfterSeconds)]);
  if (row.droppedReason !== undefined) {
    pairs.push([headerTable.droppedReason.name, row.droppedReason]);
  }
  const body = isAnthropic
    ? { type: "error", error: { type: row.anthropicType, message }, request_id: id }
    : { error: { message, type: row.type, code } };
  return { httpStatus, headers: pairs, body: JSON.stringify(body) };
}

/** Paths of the Responses API under any prefix, without the query. */
const RESPONSES_PATH = /\/responses$/u;

/**
 * An event that ends a stream of server-sent events with an error, in the format of the path's API. The empty lines before
 * it end an event that was cut off.
 */
export function errorEventOf(
  { code, message }: Refusal,
  { id, path }: Pick<RequestHead, "id" | "path">,
): string {
  const row: ErrorRow = ERRORS[code];
  if (isAnthropicPath(path)) {
    const error = { type: "error", error: { type: row.anthropicType, message }, request_id: id };
    return `\n\nevent: error\ndata: ${JSON.stringify(error)}\n\n`;
  }
  if (RESPONSES_PATH.test(barePathOf(path))) {
    const error = { type: "error", code, message, param: null };
    return `\n\nevent: error\ndata: ${JSON.stringify(error)}\n\n`;
  }
  return `\n\ndata: ${JSON.stringify({ error: { message, type: row.type, code } })}\n\n`;
}

function isAnthropicPath(path: string): boolean {
  return ANTHROPIC_PATH.test(barePathOf(path));
}

function barePathOf(path: string): string {
  return path.split(/[?#]/u, 1)[0] ?? "";
}
