import { ConnectionError, errorCode, frameHeadBytes, preface } from "./frame-types.ts";

/** Head of a frame. The reader has one object for all frames. */
export interface FrameHead {
  readonly payloadBytes: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/**
 * Way to read a payload: `whole` in one call, gathered if it arrives in several chunks; in `pieces` as they arrive,
 * without a copy; or `skipped`.
 */
export type PayloadUse = "whole" | "pieces" | "skipped";

/** Receives frames. Bytes are valid during the call, and longer if their chunk is never written to. */
export interface FrameSink {
  /** True once nothing more is read. */
  readonly isOver: boolean;
  /** Judges a frame by its head; throws a `ConnectionError` for one that ends the connection. */
  begin(head: FrameHead): PayloadUse;
  /** Part of a payload that is read in pieces, which is not empty. */
  piece(bytes: Buffer, start: number, end: number): void;
  /** The end of a payload that is read in pieces. */
  ended(): void;
  /** A whole payload. */
  whole(bytes: Buffer, start: number, end: number): void;
}

const nothing = Buffer.alloc(0);

/** Cuts the bytes of an HTTP/2 client into frames, wherever chunks of them begin and end. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #head = { payloadBytes: 0, type: 0, flags: 0, streamId: 0 };
  #prefaceBytes = 0;
  /** The beginning of a head that is not whole yet. */
  #partialHead: Buffer | undefined;
  #partialHeadBytes = 0;
  #isInPayload = false;
  #use: PayloadUse = "skipped";
  /** Bytes of the payload that have not come yet. */
  #missingBytes = 0;
  /** A whole payload of which a part has come. */
  #gathered: Buffer | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** True if the client has sent the preface of HTTP/2. */
  get hasPreface(): boolean {
    return this.#prefaceBytes === preface.length;
  }

  push(chunk: Buffer): void {
    let at = this.hasPreface ? 0 : this.#readPreface(chunk);
    while (at < chunk.length && !this.#sink.isOver) {
      at = this.#isInPayload ? this.#readPayload(chunk, at) : this.#readHead(chunk, at);
    }
  }

  #readPreface(chunk: Buffer): number {
    const have = this.#prefaceBytes;
    const end = Math.min(chunk.length, preface.length - have);
    if (preface.compare(chunk, 0, end, have, have + end) !== 0) {
      throw new ConnectionError(errorCode.protocol, "no HTTP/2");
    }
    this.#prefaceBytes += end;
    return end;
  }

  /** Reads a head, or a part of it; returns the place of what follows. */
  #readHead(chunk: Buffer, at: number): number {
    if (this.#partialHeadBytes === 0 && at + frameHeadBytes <= chunk.length) {
      this.#begin(chunk, at);
      return at + frameHeadBytes;
    }
    const end = Math.min(chunk.length, at + frameHeadBytes - this.#partialHeadBytes);
    const partial = (this.#partialHead ??= Buffer.allocUnsafeSlow(frameHeadBytes));
    this.#partialHeadBytes += chunk.copy(partial, this.#partialHeadBytes, at, end);
    if (this.#partialHeadBytes === frameHeadBytes) {
      this.#partialHeadBytes = 0;
      this.#begin(partial, 0);
    }
    return end;
  }

  #begin(bytes: Buffer, at: number): void {
    const head = this.#head;
    head.payloadBytes =
      ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    head.type = bytes[at + 3] ?? 0;
    head.flags = bytes[at + 4] ?? 0;
    head.streamId =
      (((bytes[at + 5] ?? 0) & 0x7f) << 24) |
      ((bytes[at + 6] ?? 0) << 16) |
      ((bytes[at + 7] ?? 0) << 8) |
      (bytes[at + 8] ?? 0);
    this.#use = this.#sink.begin(head);
    this.#missingBytes = head.payloadBytes;
    this.#isInPayload = head.payloadBytes > 0;
    if (this.#isInPayload) return;
    if (this.#use === "whole") this.#sink.whole(nothing, 0, 0);
    else if (this.#use === "pieces") this.#sink.ended();
  }

  /** Reads a payload, or a part of it; returns the place of what follows. */
  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missingBytes);
    this.#missingBytes -= end - at;
    const isLast = this.#missingBytes === 0;
    if (isLast) this.#isInPayload = false;
    if (this.#use === "pieces") {
      this.#sink.piece(chunk, at, end);
      if (isLast && !this.#sink.isOver) this.#sink.ended();
    } else if (this.#use === "whole") {
      if (isLast && this.#gathered === undefined) this.#sink.whole(chunk, at, end);
      else this.#gather(chunk, at, end);
    }
    return end;
  }

  #gather(chunk: Buffer, at: number, end: number): void {
    const { payloadBytes } = this.#head;
    this.#gathered ??= Buffer.allocUnsafeSlow(payloadBytes);
    chunk.copy(this.#gathered, payloadBytes - this.#missingBytes - (end - at), at, end);
    if (this.#missingBytes > 0) return;
    const payload = this.#gathered;
    this.#gathered = undefined;
    this.#sink.whole(payload, 0, payloadBytes);
  }
}
