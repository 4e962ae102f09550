import path from "node:path";
import { loadSync } from "@grpc/proto-loader";

/** What the picker cuts bodies into. */
const pieceBytesMax = 62_000;
const chunkBytes = 65_536;

/** Digits of a request's number in its id and its prompt. */
const numberDigits = 12;

/** The parts of a `ProcessingResponse` that contain the pick. */
interface Answer {
  readonly request_headers?: { readonly response?: CommonAnswer | null } | null;
  readonly request_body?: object | null;
  readonly immediate_response?: { readonly status?: { readonly code?: number } } | null;
}

interface CommonAnswer {
  readonly header_mutation?: {
    readonly set_headers?: readonly {
      readonly header?: { readonly key?: string; readonly raw_value?: Buffer };
    }[];
  } | null;
}

const codec = loadCodec();

/** A message as a gRPC frame. */
export function encode(message: object): Buffer {
  const payload = codec.requestSerialize(message);
  const frame = Buffer.alloc(5 + payload.length);
  frame.writeUInt32BE(payload.length, 1);
  payload.copy(frame, 5);
  return frame;
}

/** A picker's message, without the head of its frame. */
export function decodeAnswer(payload: Buffer): Answer {
  return codec.responseDeserialize(payload);
}

/** What a proxy sends for one request, as gRPC frames. */
export interface Exchange {
  readonly requestMessages: readonly Buffer[];
  /** All of them. */
  readonly request: Buffer;
  /** Messages that answer the request phase, and those of the response phase. */
  readonly requestAnswers: number;
  readonly response: Buffer;
}

interface Codec {
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

function loadCodec(): Codec {
  const definition = loadSync("envoy/service/ext_proc/v3/external_processor.proto", {
    keepCase: true,
    includeDirs: [path.join(import.meta.dirname, "..", "protos")],
  });
  const service = definition["envoy.service.ext_proc.v3.ExternalProcessor"];
  const process = service !== undefined && "Process" in service ? service["Process"] : undefined;
  if (process === undefined || typeof process !== "object") throw new Error("no Process method");
  return process;
}

/** The model that a request names, and its tenant. */
export interface Names {
  readonly model: string;
  readonly fairnessId?: string;
  /** True for an answer in events. */
  readonly isStream?: boolean;
}

/**
 * A chat completion of about `bodyBytes`; one in 64 shares most of its prompt with another. The rest of
 * the prompt begins with the request's number.
 */
function bodyOf(bodyBytes: number, index: number, { model, isStream = false }: Names): Buffer {
  const shared = `shared context ${index % 64} with words that repeat in it. `;
  const system = shared.repeat(Math.ceil(bodyBytes / shared.length)).slice(0, (bodyBytes * 3) / 4);
  const user = `${numberOf(index)} `.repeat(bodyBytes / 4).slice(0, bodyBytes / 4);
  return Buffer.from(
    JSON.stringify({
      model,
      max_tokens: 64,
      ...(isStream ? { stream: true } : {}),
      messages: [
        { role: "system", content: system },
        { role: "user", content: user },
      ],
    }),
  );
}

/** A request's number as it stands in its id and its prompt. */
export function numberOf(index: number): string {
  return String(index).padStart(numberDigits, "0");
}

function requestMessagesOf(body: Buffer, index: number, { fairnessId }: Names): readonly Buffer[] {
  const headers = [
    header(":method", "POST"),
    header(":path", "/v1/chat/completions"),
    header(":scheme", "http"),
    header(":authority", "gateway.local"),
    header("content-type", "application/json"),
    header("content-length", String(body.length)),
    header("user-agent", "loadtest"),
    header("accept", "*/*"),
    header("x-forwarded-proto", "http"),
    header("x-request-id", `r-${numberOf(index)}`),
    ...(fairnessId === undefined ? [] : [header("x-llm-d-inference-fairness-id", fairnessId)]),
  ];
  const messages = [encode({ request_headers: { headers: { headers } } })];
  for (let from = 0; from < body.length; from += chunkBytes) {
    const piece = body.subarray(from, from + chunkBytes);
    const isLast = from + chunkBytes >= body.length;
    messages.push(encode({ request_body: { body: piece, end_of_stream: isLast } }));
  }
  return messages;
}

/** What a proxy sends for one request. */
export function exchangeOf(
  bodyBytes: number,
  index: number,
  names: Names = { model: "sim-model" },
): Exchange {
  const body = bodyOf(bodyBytes, index, names);
  const requestMessages = requestMessagesOf(body, index, names);
  return {
    requestMessages,
    request: Buffer.concat(requestMessages),
    requestAnswers: 1 + Math.ceil(body.length / pieceBytesMax),
    response: Buffer.concat([answerHeadOf("application/json"), answerPieceOf(wholeAnswer, true)]),
  };
}

/** An engine's answer that is not streamed. */
export const wholeAnswer = Buffer.from(
  '{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":400,"completion_tokens":64,"total_tokens":464}}',
);

/** The head of an engine's answer. */
export function answerHeadOf(contentType: string): Buffer {
  const headers = [header(":status", "200"), header("content-type", contentType)];
  return encode({ response_headers: { headers: { headers } } });
}

/** A piece of an engine's answer. */
export function answerPieceOf(body: Buffer, isLast: boolean): Buffer {
  return encode({ response_body: { body, end_of_stream: isLast } });
}

/** Counts whole gRPC messages in bytes that come in any pieces. */
export class MessageCounter {
  count = 0;
  #held: Buffer = Buffer.alloc(0);
  #skip = 0;

  push(chunk: Buffer): void {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    while (bytes.length > 0) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length);
        this.#skip -= skipped;
        bytes = bytes.subarray(skipped);
        if (this.#skip === 0) this.count += 1;
      } else if (bytes.length < 5) {
        this.#held = bytes;
        return;
      } else {
        this.#skip = bytes.readUInt32BE(1);
        bytes = bytes.subarray(5);
        if (this.#skip === 0) this.count += 1;
      }
    }
  }
}

export function header(key: string, value: string) {
  return { key, raw_value: Buffer.from(value) };
}
