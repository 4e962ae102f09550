import { withUsableAuthority } from "./header-block.ts";

/** First bytes of a client (RFC 9113, section 3.4). */
const prefaceBytes = 24;
const frameHeaderBytes = 9;
/** Largest payload that a server takes without having said more. */
const payloadBytesMax = 16_384;
const type = { headers: 1, priority: 2, settings: 4, windowUpdate: 8 };
const priorityBytes = 5;
const flag = { acknowledged: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 };

/** Corrects the authority in the bytes of an HTTP/2 client; nearly every other byte passes unchanged. */
export class FrameMender {
  /** Blocks of headers that have passed. */
  headers = 0;
  /** Those of them whose authority was mended. */
  mended = 0;
  /** Acknowledgements of settings to leave out, since the server knows nothing of these settings. */
  acknowledgementsToDrop: number;
  /** Frames that belong neither to a request nor to the beginning of a connection, such as pings. */
  others = 0;
  #passing = prefaceBytes;
  /** The beginning of a frame that is not whole yet. */
  #held: Buffer = Buffer.alloc(0);

  constructor(acknowledgementsToDrop = 0) {
    this.acknowledgementsToDrop = acknowledgementsToDrop;
  }

  /** Bytes that were read and may not be passed on yet. */
  get held(): Buffer {
    return this.#held;
  }

  /** Takes the next bytes and returns what may go on. */
  push(chunk: Buffer): readonly Buffer[] {
    const out: Buffer[] = [];
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (rest.length > 0) {
      if (this.#passing === 0) {
        const frame = this.#wholeFrame(rest);
        if (frame === undefined) break;
        rest = rest.subarray(frame.length);
        if (frame.length > 0) out.push(...this.#mend(frame));
      }
      const passed = rest.subarray(0, this.#passing);
      if (passed.length > 0) out.push(passed);
      this.#passing -= passed.length;
      rest = rest.subarray(passed.length);
    }
    this.#held = rest;
    return out;
  }

  /**
   * The frame that `rest` begins with: empty for one that may pass in pieces, undefined for one that is
   * to be looked at and not whole yet.
   */
  #wholeFrame(rest: Buffer): Buffer | undefined {
    if (rest.length < frameHeaderBytes) return undefined;
    const frameBytes = frameHeaderBytes + rest.readUIntBE(0, 3);
    const frameType = rest[3];
    const isLookedAt = frameType === type.headers || frameType === type.settings;
    if (!isLookedAt && frameType !== type.priority && frameType !== type.windowUpdate) {
      this.others += 1;
    }
    if (isLookedAt && frameBytes <= frameHeaderBytes + payloadBytesMax) {
      return rest.length < frameBytes ? undefined : rest.subarray(0, frameBytes);
    }
    this.#passing = frameBytes;
    return rest.subarray(0, 0);
  }

  #mend(frame: Buffer): readonly Buffer[] {
    if (frame[3] === type.headers) return [this.#mendHeaders(frame)];
    const isAcknowledgement = ((frame[4] ?? 0) & flag.acknowledged) !== 0;
    if (!isAcknowledgement || this.acknowledgementsToDrop === 0) return [frame];
    this.acknowledgementsToDrop -= 1;
    return [];
  }

  #mendHeaders(frame: Buffer): Buffer {
    this.headers += 1;
    const flags = frame[4] ?? 0;
    // What goes on in another frame is more than any proxy says of a call.
    if ((flags & flag.endHeaders) === 0) return frame;
    const isPadded = (flags & flag.padded) !== 0;
    const start =
      frameHeaderBytes + (isPadded ? 1 : 0) + ((flags & flag.priority) === 0 ? 0 : priorityBytes);
    const end = frame.length - (isPadded ? (frame[frameHeaderBytes] ?? 0) : 0);
    if (end < start) return frame;
    const block = frame.subarray(start, end);
    const usable = withUsableAuthority(block);
    if (usable === block) return frame;
    const mended = Buffer.concat([frame.subarray(0, start), usable, frame.subarray(end)]);
    const payloadBytes = mended.length - frameHeaderBytes;
    if (payloadBytes > payloadBytesMax) return frame;
    mended.writeUIntBE(payloadBytes, 0, 3);
    this.mended += 1;
    return mended;
  }
}
