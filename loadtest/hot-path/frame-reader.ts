import { frameTypes } from "../fuzz-http/http2-frames.ts";

const headBytes = 9;
const paddedFlag = 0x8;
const endStreamFlag = 0x1;

/** More than a server may send without asking (RFC 9113, section 4.2). */
const controlBytesMax = 16_384;

export interface ControlFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export interface FrameHandler {
  /** A piece of a DATA frame; the bytes are only lent. */
  data(stream: number, piece: Buffer): void;
  /** The end of a DATA frame: its length, and true if it ends its stream. */
  dataEnd(stream: number, length: number, isLast: boolean): void;
  /** Any other frame, whole. */
  control(frame: ControlFrame): void;
}

/** Splits what a server sends into HTTP/2 frames, wherever it is cut, and copies no DATA. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  #length = 0;
  /** Bytes of the payload to come. */
  #left = 0;
  #kept: Buffer[] = [];

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  push(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      at = this.#headLength < headBytes ? this.#pushHead(piece, at) : this.#pushPayload(piece, at);
    }
  }

  #pushHead(piece: Buffer, from: number): number {
    const taken = Math.min(headBytes - this.#headLength, piece.length - from);
    for (let index = 0; index < taken; index += 1) {
      this.#head[this.#headLength + index] = piece[from + index] ?? 0;
    }
    this.#headLength += taken;
    if (this.#headLength === headBytes) {
      this.#length = this.#head.readUIntBE(0, 3);
      this.#left = this.#length;
      this.#check();
      if (this.#left === 0) this.#end();
    }
    return from + taken;
  }

  #pushPayload(piece: Buffer, from: number): number {
    const end = from + Math.min(this.#left, piece.length - from);
    const part = piece.subarray(from, end);
    this.#left -= part.length;
    if (this.#head[3] === frameTypes.data) this.#handler.data(this.#stream, part);
    // The piece is only lent.
    else this.#kept.push(Buffer.from(part));
    if (this.#left === 0) this.#end();
    return end;
  }

  #end(): void {
    const type = this.#head[3] ?? 0;
    const flags = this.#head[4] ?? 0;
    const stream = this.#stream;
    this.#headLength = 0;
    if (type === frameTypes.data) {
      this.#handler.dataEnd(stream, this.#length, (flags & endStreamFlag) !== 0);
      return;
    }
    const payload = this.#kept.length === 1 ? this.#kept[0] : Buffer.concat(this.#kept);
    this.#kept = [];
    if (payload !== undefined) this.#handler.control({ type, flags, stream, payload });
  }

  #check(): void {
    const type = this.#head[3];
    const flags = this.#head[4] ?? 0;
    if (type === frameTypes.data && (flags & paddedFlag) !== 0) {
      throw new Error("the server pads its DATA frames, which this client does not read");
    }
    if (type !== frameTypes.data && this.#length > controlBytesMax) {
      throw new Error(`the server sent a frame of ${this.#length} bytes and of type ${type}`);
    }
  }

  get #stream(): number {
    return this.#head.readUInt32BE(5) & 0x7fff_ffff;
  }
}
