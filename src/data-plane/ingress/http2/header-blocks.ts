import type { FrameHead } from "./frame-reader.ts";
import { headerBlockBytesMax, protocolError } from "./frame-rules.ts";
import { ConnectionError, errorCode, frameFlag, frameType } from "./frame-types.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { HeadReader } from "./request-head.ts";

/** Table of header compression that the client may use, which is the default (RFC 9113, section 6.5.2). */
const tableBytesMax = 4_096;

/** Frames that one block of headers may continue in. */
const continuationsMax = 64;

const priorityBytes = 5;

/** Puts blocks of headers together and decompresses them. */
export class HeaderBlocks {
  readonly head = new HeadReader();
  readonly #decoder = new HpackDecoder(this.head, tableBytesMax);
  #streamId = 0;
  #endsStream = false;
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** The stream whose block is not whole yet, so that nothing else may follow; 0 if there is none. */
  get unfinishedId(): number {
    return this.#streamId;
  }

  /** True if the last block was in a frame that ends its stream. */
  get endsStream(): boolean {
    return this.#endsStream;
  }

  /** Reads the payload of a frame of headers. True if the block is whole: `head` has it then. */
  begin(frame: FrameHead, bytes: Buffer, range: { start: number; end: number }): boolean {
    const { flags } = frame;
    let { start, end } = range;
    if ((flags & frameFlag.padded) !== 0) {
      end -= bytes[start] ?? 0;
      start += 1;
    }
    if ((flags & frameFlag.priority) !== 0) start += priorityBytes;
    if (start > end) throw protocolError("more padding than payload");
    this.#endsStream = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) {
      this.#decode(bytes, start, end);
      return true;
    }
    this.#streamId = frame.streamId;
    this.#add(bytes, start, end);
    return false;
  }

  /** Reads the payload of a frame that goes on with a block. True if the block is whole. */
  continue(frame: FrameHead, bytes: Buffer, range: { start: number; end: number }): boolean {
    this.#add(bytes, range.start, range.end);
    if ((frame.flags & frameFlag.endHeaders) === 0) return false;
    const block = Buffer.concat(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#streamId = 0;
    this.#decode(block, 0, block.length);
    return true;
  }

  /** Checks that a frame may come now. */
  check({ type, streamId }: FrameHead): void {
    const isContinuation = type === frameType.continuation;
    if (this.#streamId === 0 ? !isContinuation : isContinuation && streamId === this.#streamId) {
      return;
    }
    throw protocolError("a frame between those of a block of headers");
  }

  #add(bytes: Buffer, start: number, end: number): void {
    this.#partBytes += end - start;
    if (this.#parts.length > continuationsMax || this.#partBytes > headerBlockBytesMax) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "headers that are too long");
    }
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }

  #decode(bytes: Buffer, start: number, end: number): void {
    this.head.begin();
    this.#decoder.decode(bytes, start, end);
  }
}
