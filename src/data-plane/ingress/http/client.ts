import type { Duplex, Readable } from "node:stream";
import type { Refusal } from "../../../core/errors.ts";

/** A request of a client and the way to answer it, for any version of HTTP. */
export interface Client {
  readonly method: string;
  /** Path and query, in origin form: it begins with a slash. */
  readonly path: string;
  /** Host and port that the client addressed; "" if it gave none. */
  readonly authority: string;
  /** Names and values in turn, as received, without pseudo-headers. */
  readonly rawHeaders: readonly string[];
  /** The reason that the way the request was sent is not usable; undefined if it is. */
  readonly mistake: Refusal | undefined;
  readonly address: string;
  readonly isEncrypted: boolean;
  /** Undefined if the request has no body. */
  readonly body: Readable | undefined;
  /** The protocol that the client wants to change to; undefined if it wants none. */
  readonly upgrade: string | undefined;

  /** True if a part of the body has not been received. */
  readonly hasUnreadBody: boolean;

  /** Ends the connection, or the stream, if a part of the body is still missing after the answer. */
  dropBody(): void;
  /** Tells a client that waits with its body to send it. */
  askForBody(): void;
  /** True if bytes of the answer wait for the client to read. */
  readonly hasUnsentAnswer: boolean;
  /** True while an earlier answer on the same connection precedes this one. */
  readonly waitsForTurn: boolean;
  /** Calls `sent` once nothing of the answer waits any more, or the client has left. */
  onSent(sent: () => void): void;
  /** Breaks the connection, or the stream, as if the client had left. */
  drop(): void;
  /** Calls `left` if the connection closes before the answer is complete. */
  onLeft(left: () => void): void;

  head(head: AnswerHead): void;
  /** Sends the head without waiting for the first bytes of the body. */
  flushHead(): void;
  /** False if the buffer of the client is full; `onDrain` then runs once it has room. */
  write(chunk: Uint8Array): boolean;
  onDrain(drained: () => void): void;
  end(chunk: Uint8Array | undefined, trailers?: readonly HeaderLine[]): void;
  /** Sends `last`, and breaks the answer off, so that the client does not take it as complete. */
  breakOff(last: Uint8Array | undefined): void;
  /** Answers an upgrade, and connects the client with the engine; `idleMs` without a byte end it, 0 for no limit. */
  tunnel(head: AnswerHead, engine: Duplex, idleMs: number): void;
}

export type HeaderLine = readonly [name: string, value: string];

export interface AnswerHead {
  readonly httpStatus: number;
  /** Reason phrase of HTTP/1.1; "" for the usual one. */
  readonly reason: string;
  /** Names and values in turn. */
  readonly rawHeaders: string[];
}
