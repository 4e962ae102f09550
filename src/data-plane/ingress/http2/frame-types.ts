/** Types of frames (RFC 9113, section 6). */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlag = {
  endStream: 0x1,
  acknowledged: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** Error codes (RFC 9113, section 7). */
export const errorCode = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  enhanceYourCalm: 0xb,
} as const;

/** Identifiers of settings (RFC 9113, section 6.5.2). */
export const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  concurrentStreamsMax: 3,
  initialWindowSize: 4,
  frameSizeMax: 5,
  headerListSizeMax: 6,
} as const;

/** The first bytes of a client (RFC 9113, section 3.4). */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const frameHeadBytes = 9;

/** Largest window of flow control (RFC 9113, section 6.9.1). */
export const windowBytesMax = 2 ** 31 - 1;

/** Our flow-control window of a stream: a proxy may send a body of 1 MiB at once. */
export const streamWindowBytes = 1024 * 1024;

/** Window of a stream, and largest payload of a frame, until settings change them. */
export const defaultWindowBytes = 65_535;
export const defaultFrameBytesMax = 16_384;

/** A mistake of the peer that ends the connection (RFC 9113, section 5.4.1). */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
