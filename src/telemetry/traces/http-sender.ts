import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { systemClock } from "../../std/clock.ts";
import { retryAfterMsOf } from "../../std/retry-after.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { acceptedBy } from "./otlp-answer.ts";
import type { CollectorOptions } from "./otel-environment.ts";
import { packed } from "./packed.ts";
import { answerBytesMax, type SendResult, type SpanSender } from "./span-sender.ts";

/** Statuses after which OTLP sends the same batch again. */
const retryable = new Set([429, 502, 503, 504]);

/** Sends batches by OTLP over HTTP, as protobuf. */
export class HttpSender implements SpanSender {
  readonly #options: CollectorOptions;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(options: CollectorOptions) {
    const { url, tls } = options;
    const kept = { keepAlive: true, maxSockets: 1 };
    this.#options = options;
    this.#agent =
      url.protocol === "https:" ? new HttpsAgent({ ...kept, ...tls }) : new HttpAgent(kept);
  }

  async send(batch: Buffer, stop: AbortSignal): Promise<SendResult> {
    const { timeoutMs } = this.#options;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
    try {
      const response = await this.#answerTo(batch, signal);
      const body = await bodyOf(response);
      return resultOf(response, body);
    } catch (cause) {
      const isLate = signal.aborted && !stop.aborted;
      const reason = isLate ? `no answer within ${timeoutMs} ms` : reasonOf(cause);
      return { kind: "retry", reason, afterMs: undefined };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #answerTo(batch: Buffer, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, headers, compresses } = this.#options;
    const body = compresses ? await packed(batch) : batch;
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method: "POST",
        agent: this.#agent,
        signal,
        headers: {
          ...headers,
          ...(compresses && { "content-encoding": "gzip" }),
          "content-type": "application/x-protobuf",
          "content-length": body.length,
        },
      });
      sent.once("response", resolve);
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

/** The beginning of the body: a collector's answer is short. */
async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    // A stream of bytes without an encoding has buffers.
    const piece = chunk as Buffer;
    bytes += piece.length;
    if (bytes > answerBytesMax) break;
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

function resultOf({ statusCode = 0, headers }: IncomingMessage, body: Buffer): SendResult {
  if (statusCode >= 200 && statusCode < 300) return acceptedBy(body);
  const reason = `HTTP status ${statusCode}`;
  if (!retryable.has(statusCode)) return { kind: "refused", reason };
  return {
    kind: "retry",
    reason,
    afterMs: retryAfterMsOf(headers["retry-after"], systemClock.wallMs()),
  };
}
