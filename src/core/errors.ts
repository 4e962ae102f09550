interface ErrorRow {
  readonly httpStatus: number;
  /** The `type` of the OpenAI-shaped error body. */
  readonly type: string;
  /** Value of `x-llm-d-request-dropped-reason`, where the peer has one. */
  readonly droppedReason?: string;
}

/** Every way the gateway can fail a request. One row is the whole truth about one code. */
export const ERRORS = {
  malformed_request: { httpStatus: 400, type: "invalid_request_error" },
  model_not_found: { httpStatus: 404, type: "invalid_request_error" },
  body_too_large: { httpStatus: 413, type: "invalid_request_error" },
  saturated: {
    httpStatus: 429,
    type: "rate_limit_error",
    droppedReason: "rejected-saturated",
  },
  no_endpoints: {
    httpStatus: 503,
    type: "service_unavailable",
    droppedReason: "rejected-no-endpoints",
  },
  internal: { httpStatus: 500, type: "server_error" },
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

/** The answer a refused client gets: an OpenAI-shaped body, the status and the drop reason. */
export function errorResponseOf({ code, message }: Refusal): ErrorResponse {
  const row: ErrorRow = ERRORS[code];
  const { httpStatus } = ERRORS[code];
  const headers: [string, string][] = [["content-type", "application/json"]];
  if (row.droppedReason !== undefined) {
    headers.push(["x-llm-d-request-dropped-reason", row.droppedReason]);
  }
  return {
    httpStatus,
    headers,
    body: JSON.stringify({ error: { message, type: row.type, code } }),
  };
}
