import type { CancelTimer, Clock } from "../../../std/clock.ts";
import { ByteStore } from "../http2/byte-store.ts";
import type { RequestHead } from "../http2/request-head.ts";
import type { CloseCause, Outgoing, ServerStream, StreamReceiver } from "../http2/server-stream.ts";
import {
  type Failure,
  failureTrailers,
  grpcStatus,
  okTrailers,
  responseHeaders,
} from "./status.ts";

/** Bytes before each message: whether it is compressed, and its length. */
const messagePrefixBytes = 5;

/** Bytes that are allocated at once for a message of which only the length is known. */
const trustedBytesMax = 131_072;

/** Milliseconds of the units of `grpc-timeout`. */
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
const timeoutFormat = /^(\d{1,8})([HMSmun])$/;

/** Longest delay that timers have. */
const timerMsMax = 2 ** 31 - 1;

/** Server's side of a call. */
export interface CallHandler {
  /** A whole message, which is never written to afterwards. */
  message(bytes: Buffer, start: number, end: number): void;
  /** The client sends no more messages. */
  ended(): void;
  /** Called exactly once, last. */
  closed(cause: CloseCause): void;
}

export interface CallLimits {
  /** Maximum size of a received message, in bytes. */
  readonly receivedBytesMax: number;
  /** Maximum size of a sent message, in bytes; undefined for no limit. */
  readonly sentBytesMax: number | undefined;
}

export interface CallStart {
  readonly stream: ServerStream;
  readonly head: RequestHead;
  readonly limits: CallLimits;
  readonly clock: Pick<Clock, "after">;
}

/** One call of a gRPC method: messages in the data of a stream, and how it ends. */
export class GrpcCall implements StreamReceiver {
  readonly #stream: ServerStream;
  readonly #limits: CallLimits;
  readonly #encoding: string | undefined;
  #handler: CallHandler | undefined;
  /** A message of which a part has come, with its prefix. */
  #partial: ByteStore | undefined;
  /** Bytes of that message with its prefix, once its length is known. */
  #partialBytes = 0;
  #hasHeaders = false;
  #isOver = false;
  #cancelDeadline: CancelTimer | undefined;

  constructor({ stream, head, limits, clock }: CallStart) {
    this.#stream = stream;
    this.#limits = limits;
    this.#encoding = head.encoding;
    if (head.timeout !== undefined) this.#setDeadline(head.timeout, clock);
  }

  /** Milliseconds that bytes of the client wait before they are read. */
  get arrivalDelayMs(): number {
    return this.#stream.arrivalDelayMs;
  }

  /** Has `handler` serve the call. */
  attach(handler: CallHandler): void {
    this.#handler = handler;
  }

  /** Sends a message with its prefix. */
  send(message: Outgoing): void {
    if (this.#isOver) return;
    const { sentBytesMax } = this.#limits;
    const bytes = message.end - message.start + message.tail.length - messagePrefixBytes;
    if (sentBytesMax !== undefined && bytes > sentBytesMax) {
      return this.#exhausted(`message of ${bytes} bytes, the limit is ${sentBytesMax}`);
    }
    if (!this.#hasHeaders) {
      this.#hasHeaders = true;
      this.#stream.headers(responseHeaders);
    }
    this.#stream.send(message);
  }

  /** Ends the call without an error, after the last message. */
  finish(): void {
    this.#end(okTrailers);
  }

  fail(failure: Failure): void {
    this.#end(failureTrailers(failure));
  }

  /** Stops handing on messages until `resume`, so that the client stops sending. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  data(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#isOver) {
      const isWhole = this.#partial === undefined && end - at >= messagePrefixBytes;
      const messageStart = at + messagePrefixBytes;
      const messageEnd = isWhole ? messageStart + lengthAt(bytes, at) : Infinity;
      if (isWhole && !this.#checks(bytes[at] ?? 0, messageEnd - messageStart)) return;
      if (messageEnd <= end) {
        this.#handler?.message(bytes, messageStart, messageEnd);
        at = messageEnd;
      } else {
        at = this.#gather(bytes, at, end);
      }
    }
  }

  ended(): void {
    if (this.#isOver) return;
    if (this.#partial === undefined) this.#handler?.ended();
    else this.fail({ code: grpcStatus.internal, message: "the stream ended within a message" });
  }

  closed(cause: CloseCause): void {
    this.#isOver = true;
    this.#partial = undefined;
    this.#cancelDeadline?.();
    this.#handler?.closed(cause);
  }

  #setDeadline(timeout: string, clock: Pick<Clock, "after">): void {
    const [, amount, unit] = timeoutFormat.exec(timeout) ?? [];
    const ms = Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN);
    if (Number.isNaN(ms)) {
      return this.fail({ code: grpcStatus.internal, message: "invalid grpc-timeout" });
    }
    this.#cancelDeadline = clock.after(Math.min(ms, timerMsMax), () =>
      this.fail({ code: grpcStatus.deadlineExceeded, message: "deadline exceeded" }),
    );
  }

  /** Adds to a message that comes in several pieces; returns the place of what follows. */
  #gather(bytes: Buffer, start: number, end: number): number {
    const partial = (this.#partial ??= new ByteStore());
    const isPrefix = partial.length < messagePrefixBytes;
    const missing = (isPrefix ? messagePrefixBytes : this.#partialBytes) - partial.length;
    const to = Math.min(end, start + missing);
    partial.add(bytes, start, to);
    if (isPrefix && partial.length === messagePrefixBytes && !this.#began(partial)) return end;
    if (partial.length < messagePrefixBytes || partial.length < this.#partialBytes) return to;
    const message = partial.take();
    this.#partial = undefined;
    this.#handler?.message(message, messagePrefixBytes, message.length);
    return to;
  }

  /** The prefix of a partial message is whole; false if the message is refused. */
  #began(partial: ByteStore): boolean {
    const length = partial.uint32At(1);
    this.#partialBytes = messagePrefixBytes + length;
    partial.expect(Math.min(this.#partialBytes, trustedBytesMax));
    return this.#checks(partial.byteAt(0), length);
  }

  /** Checks the prefix of a message; false if the call was ended for it. */
  #checks(compressed: number, bytes: number): boolean {
    const { receivedBytesMax } = this.#limits;
    if (compressed !== 0) this.#refuseEncoding();
    else if (bytes > receivedBytesMax) {
      this.#exhausted(`message of ${bytes} bytes, the limit is ${receivedBytesMax}`);
    }
    return !this.#isOver;
  }

  #refuseEncoding(): void {
    const encoding = this.#encoding ?? "identity";
    const isDeclared = encoding !== "identity";
    this.fail({
      code: isDeclared ? grpcStatus.unimplemented : grpcStatus.internal,
      message: isDeclared
        ? "compressed messages are not supported"
        : "a compressed message without grpc-encoding",
      acceptEncoding: "identity",
    });
  }

  #exhausted(message: string): void {
    this.fail({ code: grpcStatus.resourceExhausted, message });
  }

  #end(trailers: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#partial = undefined;
    // Without a message before them, headers and trailers are one block.
    this.#stream.finish(this.#hasHeaders ? trailers : Buffer.concat([responseHeaders, trailers]));
  }
}

/** Length of a message, from its prefix. */
function lengthAt(bytes: Buffer, at: number): number {
  return (
    (bytes[at + 1] ?? 0) * 2 ** 24 +
    (((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0))
  );
}
