import type { FrameHead, PayloadUse } from "./frame-reader.ts";
import { ConnectionError, errorCode, frameFlag, frameType } from "./frame-types.ts";

/** Largest payload that a client may send, as our settings tell it. Data pass in pieces, so this takes no memory. */
export const frameBytesMax = 1024 * 1024;

/** Bytes of the compressed headers of one request, with their padding. */
export const headerBlockBytesMax = 65_536;

/** Bytes of a frame of settings: about 2,700 of them, where six exist. */
const settingsBytesMax = 16_384;

interface Rule {
  readonly use: PayloadUse;
  /** Bytes that the payload has to have. */
  readonly bytes?: number;
  readonly bytesMax?: number;
  /** Undefined if frames of the connection and of streams exist. */
  readonly isOfStream?: boolean;
}

/** By type. Pushes are for servers to send. */
const rules: readonly (Rule | undefined)[] = [
  { use: "pieces", isOfStream: true },
  { use: "whole", isOfStream: true, bytesMax: headerBlockBytesMax },
  { use: "skipped", isOfStream: true },
  { use: "whole", isOfStream: true, bytes: 4 },
  { use: "whole", isOfStream: false, bytesMax: settingsBytesMax },
  undefined,
  { use: "whole", isOfStream: false, bytes: 8 },
  { use: "skipped", isOfStream: false },
  { use: "whole", bytes: 4 },
  { use: "whole", isOfStream: true, bytesMax: headerBlockBytesMax },
];

/** Way to read the payload of a frame. Throws for a head that RFC 9113 (section 6) or a limit forbids. */
export function payloadUseOf(head: FrameHead): PayloadUse {
  const { type, payloadBytes, streamId } = head;
  if (payloadBytes > frameBytesMax) throw badSize();
  if (type === frameType.pushPromise) throw protocolError("a push by a client");
  const rule = rules[type];
  // Frames of unknown types are ignored.
  if (rule === undefined) return "skipped";
  if (rule.bytes !== undefined && payloadBytes !== rule.bytes) throw badSize();
  if (rule.isOfStream !== undefined && rule.isOfStream !== streamId > 0) {
    throw protocolError("a frame of the wrong stream");
  }
  if (rule.bytesMax !== undefined && payloadBytes > rule.bytesMax) {
    throw new ConnectionError(errorCode.enhanceYourCalm, "a frame that is too large");
  }
  // Padding is rare, and found only at the end.
  const isPadded = (head.flags & frameFlag.padded) !== 0;
  return type === frameType.data && isPadded ? "whole" : rule.use;
}

export function protocolError(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocol, what);
}

function badSize(): ConnectionError {
  return new ConnectionError(errorCode.frameSize, "a frame of the wrong size");
}
