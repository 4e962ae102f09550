import { describe, expect, it } from "vitest";
import { type ErrorCode, ERRORS, errorResponseOf } from "./errors.ts";

/** Values that clients and the peer's dashboards rely on, written out a second time. */
const contract: Readonly<
  Record<
    ErrorCode,
    { status: number; openai: string; anthropic: string; retryAfter?: string; dropped?: string }
  >
> = {
  malformed_request: {
    status: 400,
    openai: "invalid_request_error",
    anthropic: "invalid_request_error",
  },
  invalid_api_key: {
    status: 401,
    openai: "invalid_request_error",
    anthropic: "authentication_error",
  },
  model_not_allowed: {
    status: 403,
    openai: "invalid_request_error",
    anthropic: "permission_error",
  },
  host_not_allowed: {
    status: 403,
    openai: "invalid_request_error",
    anthropic: "permission_error",
  },
  origin_not_allowed: {
    status: 403,
    openai: "invalid_request_error",
    anthropic: "permission_error",
  },
  body_timeout: {
    status: 408,
    openai: "invalid_request_error",
    anthropic: "invalid_request_error",
  },
  bodies_full: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
  },
  evicted: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
    dropped: "evicted",
  },
  wait_expired: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
    dropped: "rejected-ttl-expired",
  },
  shutting_down: {
    status: 503,
    openai: "service_unavailable",
    anthropic: "overloaded_error",
    retryAfter: "1",
    dropped: "rejected-shutting-down",
  },
  queue_full: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
  },
  queue_timeout: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
  },
  rate_limit_exceeded: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
  },
  model_not_found: { status: 404, openai: "invalid_request_error", anthropic: "not_found_error" },
  body_too_large: { status: 413, openai: "invalid_request_error", anthropic: "request_too_large" },
  saturated: {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    retryAfter: "1",
    dropped: "rejected-saturated",
  },
  no_endpoints: {
    status: 503,
    openai: "service_unavailable",
    anthropic: "overloaded_error",
    retryAfter: "5",
    dropped: "rejected-no-endpoints",
  },
  overloaded: {
    status: 503,
    openai: "service_unavailable",
    anthropic: "overloaded_error",
    retryAfter: "1",
  },
  internal: { status: 500, openai: "server_error", anthropic: "api_error" },
  upstream_unreachable: { status: 502, openai: "server_error", anthropic: "api_error" },
  upstream_broken: { status: 502, openai: "server_error", anthropic: "api_error" },
  upstream_timeout: { status: 504, openai: "server_error", anthropic: "timeout_error" },
};

// Object.keys returns strings; these are the keys of ERRORS.
const codes = Object.keys(ERRORS) as ErrorCode[];
const message = 'model "é" is gone';
const answered = (code: ErrorCode, path: string) =>
  errorResponseOf({ code, message }, { id: "r-1", path });

const anthropicPaths = [
  "/v1/messages",
  "/v1/messages/",
  "/v1/messages?beta=true",
  "/v1/messages/count_tokens",
  "/tenant/a/v1/messages/count_tokens?beta=true#x",
  "/anthropic/v1/messages",
  "/v1/messages/batches/b-1",
];
const openaiPaths = [
  "",
  "/",
  "/v1/chat/completions",
  "/v1/chat/completions?next=/v1/messages",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/responses",
  "/v1/threads/t-1/messages",
  "/v1/messages-of-others",
  "/v1/models",
  "/generate",
  "/inference/v1/generate",
  "/v1/rerank",
];

describe.each(codes)("the answer to %s", (code) => {
  const { status, openai, anthropic, retryAfter, dropped } = contract[code];

  it.each([...anthropicPaths, ...openaiPaths])("has its status at %j", (path) => {
    expect(answered(code, path).httpStatus).toBe(status);
  });

  it.each(openaiPaths)("has the shape of an OpenAI error at %j", (path) => {
    expect(JSON.parse(answered(code, path).body)).toEqual({
      error: { message, type: openai, code },
    });
  });

  it.each(anthropicPaths)("has the shape of an Anthropic error at %j", (path) => {
    expect(JSON.parse(answered(code, path).body)).toEqual({
      type: "error",
      error: { type: anthropic, message },
      request_id: "r-1",
    });
  });

  it.each([
    ["/v1/messages", "request-id"],
    ["/v1/completions", "x-request-id"],
  ])("has a content type, the request's id and the time to retry at %s", (path, idHeader) => {
    expect(answered(code, path).headers).toEqual([
      ["content-type", "application/json"],
      [idHeader, "r-1"],
      ...(retryAfter === undefined ? [] : [["retry-after", retryAfter]]),
      ...(dropped === undefined ? [] : [["x-llm-d-request-dropped-reason", dropped]]),
    ]);
  });

  it("has a time to retry exactly if the status invites a retry", () => {
    expect(retryAfter !== undefined).toBe(status === 429 || status === 503);
  });
});
