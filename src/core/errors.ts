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

/** Every way the gateway can fail a request. One row is the whole truth about one code. */
export const ERRORS = {
  malformed_request: {
    httpStatus: 400,
    type: "invalid_request_error",
    anthropicType: "invalid_request_error",
  },
  model_not_found: {
    httpStatus: 404,
    type: "invalid_request_error",
    anthropicType: "not_found_error",
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
  no_endpoints: {
    httpStatus: 503,
    type: "service_unavailable",
    anthropicType: "overloaded_error",
    // An engine has to start, or to become ready again.
    retryAfterSeconds: 5,
    droppedReason: "rejected-no-endpoints",
  },
  internal: { httpStatus: 500, type: "server_error", anthropicType: "api_error" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Why a request was not routed. `message` is shown to the client: never a prompt or a secret. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ErrorResponse {
  readonly httpStatus: (typeof ERRORS)[ErrorCode]["httpStatus"];
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Messages, token counts and batches, under any prefix; the path is without its query. */
const ANTHROPIC_PATH = /\/v1\/messages(?:\/|$)/u;

/**
 * The answer a refused client gets: the status, headers, and a body in the shape of the API that
 * the path belongs to, which is Anthropic's or else OpenAI's. The request's id goes along under the
 * name that the API's own clients read.
 */
export function errorResponseOf(
  { code, message }: Refusal,
  { id, path }: Pick<RequestHead, "id" | "path">,
): ErrorResponse {
  const row: ErrorRow = ERRORS[code];
  const { httpStatus } = ERRORS[code];
  const [barePath = ""] = path.split(/[?#]/u, 1);
  const isAnthropic = ANTHROPIC_PATH.test(barePath);
  const pairs: [string, string][] = [
    ["content-type", "application/json"],
    [isAnthropic ? "request-id" : "x-request-id", id],
  ];
  if (row.retryAfterSeconds !== undefined) {
    pairs.push(["retry-after", String(row.retryAfterSeconds)]);
  }
  if (row.droppedReason !== undefined) {
    pairs.push([headerTable.droppedReason.name, row.droppedReason]);
  }
  const body = isAnthropic
    ? { type: "error", error: { type: row.anthropicType, message }, request_id: id }
    : { error: { message, type: row.type, code } };
  return { httpStatus, headers: pairs, body: JSON.stringify(body) };
}
