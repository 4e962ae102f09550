import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { reasonOf } from "../../std/reason-of.ts";
import { acceptedBy, retryDelayMsIn } from "./otlp-answer.ts";
import type { CollectorOptions } from "./otel-environment.ts";
import { packed } from "./packed.ts";
import { answerBytesMax, type SendResult, shownText, type SpanSender } from "./span-sender.ts";

const method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/** Bytes before a message: whether it is compressed, and its length. */
const prefixBytes = 5;

const okStatus = "0";
const exhaustedStatus = "8";

/** Statuses after which OTLP sends the same batch again: 8 only if the collector says when. */
const retryable = new Set(["1", "4", "10", "11", "14", "15"]);

/** HTTP statuses that gRPC counts as `UNAVAILABLE`. */
const unavailable = new Set([429, 502, 503, 504]);

interface GrpcAnswer {
  readonly httpStatus: number;
  readonly status: string | undefined;
  readonly message: string;
  readonly details: string | undefined;
  readonly body: Buffer;
}

/** Sends batches by OTLP over gRPC. */
export class GrpcSender implements SpanSender {
  readonly #options: CollectorOptions;
  /** Undefined before the first batch, and once it is broken. */
  #session: ClientHttp2Session | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  async send(batch: Buffer, stop: AbortSignal): Promise<SendResult> {
    const { timeoutMs } = this.#options;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
    try {
      return resultOf(await this.#call(batch, signal));
    } catch (cause) {
      const isLate = signal.aborted && !stop.aborted;
      // The next batch gets a connection of its own: this one may be what hangs.
      this.close();
      const reason = isLate ? `no answer within ${timeoutMs} ms` : reasonOf(cause);
      return { kind: "retry", reason, afterMs: undefined };
    }
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  async #call(batch: Buffer, signal: AbortSignal): Promise<GrpcAnswer> {
    const { headers, compresses } = this.#options;
    const message = compresses ? await packed(batch) : batch;
    signal.throwIfAborted();
    const session = this.#connected();
    const prefix = Buffer.alloc(prefixBytes);
    prefix.writeUInt8(compresses ? 1 : 0, 0);
    prefix.writeUInt32BE(message.length, 1);
    return new Promise((resolve, reject) => {
      const stream = session.request(
        {
          ...headers,
          ...(compresses && { "grpc-encoding": "gzip" }),
          ":method": "POST",
          ":path": method,
          "content-type": "application/grpc",
          te: "trailers",
        },
        { signal },
      );
      answered(stream, resolve, reject);
      stream.end(Buffer.concat([prefix, message]));
    });
  }

  #connected(): ClientHttp2Session {
    const open = this.#session;
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = connect(this.#options.url.origin, { ...this.#options.tls });
    // Its streams report what went wrong.
    session.on("error", () => undefined);
    this.#session = session;
    return session;
  }
}

function answered(
  stream: ClientHttp2Stream,
  resolve: (answer: GrpcAnswer) => void,
  reject: (cause: unknown) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("response", (headers) => (head = headers));
  stream.on("trailers", (headers) => (trailers = headers));
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > answerBytesMax) stream.destroy(new Error("the answer is too long"));
    else chunks.push(chunk);
  });
  stream.on("error", reject);
  stream.on("close", () => {
    // An answer without a message has its status in its head.
    const from = trailers["grpc-status"] === undefined ? head : trailers;
    resolve({
      httpStatus: Number(head[":status"] ?? 0),
      status: from["grpc-status"]?.toString(),
      message: shownText(from["grpc-message"]?.toString() ?? ""),
      details: from["grpc-status-details-bin"]?.toString(),
      body: Buffer.concat(chunks),
    });
  });
}

function resultOf({ httpStatus, status, message, details, body }: GrpcAnswer): SendResult {
  if (status === okStatus) return acceptedBy(body.subarray(prefixBytes));
  if (status === undefined) {
    const reason = httpStatus === 0 ? "the connection closed" : `HTTP status ${httpStatus}`;
    const isRetryable = httpStatus === 0 || unavailable.has(httpStatus);
    return isRetryable
      ? { kind: "retry", reason, afterMs: undefined }
      : { kind: "refused", reason };
  }
  const reason = `gRPC status ${shownText(status)}${message === "" ? "" : `: ${message}`}`;
  const afterMs = retryDelayMsIn(details);
  const isRetryable =
    retryable.has(status) || (status === exhaustedStatus && afterMs !== undefined);
  return isRetryable ? { kind: "retry", reason, afterMs } : { kind: "refused", reason };
}
