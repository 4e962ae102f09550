import type { IncomingMessage, ServerResponse } from "node:http";
import { parseJsonRecord } from "../json.ts";

const errorTypes: Readonly<Record<number, string>> = {
  400: "BadRequestError",
  404: "NotFoundError",
  405: "MethodNotAllowedError",
  413: "BadRequestError",
  429: "RateLimitError",
  500: "InternalServerError",
  503: "ServiceUnavailableError",
};

export const eventStreamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
};

export interface ErrorReply {
  readonly httpStatus: number;
  readonly message: string;
  /** The request field in error. */
  readonly param?: string;
}

/** The form of errors, and of their events: OpenAI's with vLLM's types, or those that vLLM gives the newer APIs. */
export type ErrorShape = "openai" | "responses" | "anthropic";

/** Answers with an error in the format of vLLM. */
export function replyError(
  response: ServerResponse,
  error: ErrorReply,
  shape: ErrorShape = "openai",
): void {
  replyJson(response, error.httpStatus, errorBodyOf(error, shape));
}

/**
 * Answers with the same error under status 200, as engines do when they fail after a stream has
 * begun.
 */
export function replyErrorLate(
  response: ServerResponse,
  error: ErrorReply,
  { shape, isStream }: { readonly shape: ErrorShape; readonly isStream: boolean },
): void {
  const body = errorBodyOf(error, shape);
  if (!isStream) return replyJson(response, 200, body);
  response.writeHead(200, eventStreamHeaders);
  const event = shape === "openai" ? "" : "event: error\n";
  const done = shape === "responses" ? "" : "data: [DONE]\n\n";
  response.end(`${event}data: ${JSON.stringify(body)}\n\n${done}`);
}

/** Sends the head of a stream if the body of a request asks for one. */
export function sendStreamHead(response: ServerResponse, body: ReadBody): void {
  if (body.kind !== "read") return;
  const parsed = parseJsonRecord(body.text);
  if (parsed.kind === "invalid" || parsed.record["stream"] !== true) return;
  response.writeHead(200, eventStreamHeaders);
  response.flushHeaders();
}

/** Answers with status 200 and no body, as an engine does whose worker has ended. */
export function replyNothing(response: ServerResponse, isStream: boolean): void {
  if (isStream) response.writeHead(200, eventStreamHeaders);
  response.end();
}

function errorBodyOf(error: ErrorReply, shape: ErrorShape): object {
  const { httpStatus, message } = error;
  const param = error.param ?? null;
  const type = errorTypes[httpStatus] ?? "InternalServerError";
  if (shape === "anthropic") return { type: "error", error: { type, message } };
  return { error: { message, type, param, code: httpStatus } };
}

export function replyJson(response: ServerResponse, httpStatus: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(httpStatus, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

export type ReadBody =
  | { readonly kind: "read"; readonly text: string }
  | { readonly kind: "too-large" }
  /** True if the client has left. */
  | { readonly kind: "aborted" };

/** Reads a request's body up to `bodyBytesMax`. */
export async function readBody(request: IncomingMessage, bodyBytesMax: number): Promise<ReadBody> {
  const chunks: Buffer[] = [];
  let bodyBytes = 0;
  try {
    // Returning early must not destroy the socket: the answer is still to be sent on it.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      // Without an encoding set, an HTTP request yields buffers and nothing else.
      if (!Buffer.isBuffer(chunk)) continue;
      bodyBytes += chunk.length;
      if (bodyBytes > bodyBytesMax) return { kind: "too-large" };
      chunks.push(chunk);
    }
  } catch {
    return { kind: "aborted" };
  }
  return { kind: "read", text: Buffer.concat(chunks, bodyBytes).toString() };
}

/** The path without its query and without a slash at its end. */
export function pathOf(url: string | undefined): string {
  const [path = "/"] = (url ?? "/").split("?", 1);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
