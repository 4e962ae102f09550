import type { CallHandler, GrpcCall } from "../grpc/grpc-call.ts";
import { GrpcPort } from "../grpc/grpc-port.ts";
import { healthMethods } from "../grpc/health-methods.ts";
import { grpcStatus } from "../grpc/status.ts";
import type { CloseCause } from "../http2/server-stream.ts";
import type { Ingress } from "../ingress.ts";
import { AnswerEncoder } from "./answer-encoder.ts";
import type { ProxyAnswer } from "./messages.ts";
import { malformed, RequestDecoder } from "./request-decoder.ts";
import type {
  ClosedBy,
  OpenStream,
  ProxyStream,
  StreamHandler,
  TransportOptions,
} from "./transport.ts";

const processPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** ext_proc over gRPC on frames of our own ([decision 0045](../../../../docs/decisions/0045-frames-of-our-own.md)). */
export class Http2Transport implements Ingress {
  readonly #port: GrpcPort;
  readonly #open: OpenStream;
  readonly #decoder = new RequestDecoder();
  readonly #encoder = new AnswerEncoder();
  #openRequests = 0;
  #requestsTotal = 0;
  #isCut = false;

  constructor(options: TransportOptions, open: OpenStream) {
    this.#open = open;
    const { health } = options;
    this.#port = new GrpcPort(options, [
      [processPath, (call) => this.#begin(call)],
      ...(health === undefined ? [] : healthMethods(health)),
    ]);
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  get requestsTotal(): number {
    return this.#requestsTotal;
  }

  listen(address: string, port: number): Promise<number> {
    return this.#port.listen(address, port);
  }

  goAway(): void {
    this.#port.goAway();
  }

  abort(): void {
    this.#isCut = true;
    this.#port.abort();
  }

  #begin(call: GrpcCall): CallHandler {
    this.#openRequests += 1;
    this.#requestsTotal += 1;
    return new ProcessCall(call, this.#open, {
      decoder: this.#decoder,
      encoder: this.#encoder,
      onClosed: this.#onClosed,
    });
  }

  readonly #onClosed = (cause: CloseCause): ClosedBy => {
    this.#openRequests -= 1;
    if (this.#isCut) return "drain";
    return cause === "connection" ? "proxy" : "unknown";
  };
}

interface CallParts {
  readonly decoder: RequestDecoder;
  readonly encoder: AnswerEncoder;
  /** Returns the cause of the close. */
  readonly onClosed: (cause: CloseCause) => ClosedBy;
}

/** Connects one gRPC call with one stream handler. */
class ProcessCall implements CallHandler, ProxyStream {
  readonly #call: GrpcCall;
  readonly #parts: CallParts;
  readonly #handler: StreamHandler;
  #isClosed = false;

  constructor(call: GrpcCall, open: OpenStream, parts: CallParts) {
    this.#call = call;
    this.#parts = parts;
    this.#handler = open(this);
  }

  get arrivalDelayMs(): number {
    return this.#call.arrivalDelayMs;
  }

  answer(answer: ProxyAnswer): void {
    if (!this.#isClosed) this.#call.send(this.#parts.encoder.encode(answer));
  }

  finish(): void {
    this.#call.finish();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  message(bytes: Buffer, start: number, end: number): void {
    const message = this.#parts.decoder.decode(bytes, start, end);
    if (message === malformed) {
      this.#call.fail({
        code: grpcStatus.internal,
        message: "the message is no ProcessingRequest",
      });
    } else if (message !== undefined && !this.#isClosed) this.#handler.receive(message);
  }

  ended(): void {
    if (this.#handler.ends?.() === false) return;
    this.#close("finished");
    this.#call.finish();
  }

  closed(cause: CloseCause): void {
    this.#close(cause);
  }

  #close(cause: CloseCause): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handler.close(this.#parts.onClosed(cause));
  }
}
