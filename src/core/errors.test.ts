import { describe, expect, it } from "vitest";
import { type ErrorCode, ERRORS, errorResponseOf } from "./errors.ts";

/** What clients and the peer's dashboards rely on, written out once more. */
const contract: Readonly<Record<ErrorCode, { status: number; type: string; dropped?: string }>> = {
  malformed_request: { status: 400, type: "invalid_request_error" },
  model_not_found: { status: 404, type: "invalid_request_error" },
  body_too_large: { status: 413, type: "invalid_request_error" },
  saturated: { status: 429, type: "rate_limit_error", dropped: "rejected-saturated" },
  no_endpoints: { status: 503, type: "service_unavailable", dropped: "rejected-no-endpoints" },
  internal: { status: 500, type: "server_error" },
};

// Object.keys gives strings; these are the keys of ERRORS itself.
const codes = Object.keys(ERRORS) as ErrorCode[];

describe.each(codes)("the answer to %s", (code) => {
  const { httpStatus, headers, body } = errorResponseOf({ code, message: 'model "é" is gone' });

  it("has its status", () => {
    expect(httpStatus).toBe(contract[code].status);
  });

  it("has the shape of an OpenAI error", () => {
    expect(JSON.parse(body)).toEqual({
      error: { message: 'model "é" is gone', type: contract[code].type, code },
    });
  });

  it("says that it is JSON, and the drop reason where the peer has one", () => {
    const { dropped } = contract[code];
    expect(headers).toEqual([
      ["content-type", "application/json"],
      ...(dropped === undefined ? [] : [["x-llm-d-request-dropped-reason", dropped]]),
    ]);
  });
});
