import { frameBytesMax } from "./frame-rules.ts";
import { frameFlag, frameType, settingId, streamWindowBytes } from "./frame-types.ts";
import type { Output } from "./output.ts";
import { headerListBytesMax } from "./request-head.ts";

/** Streams of one connection that are open at once. */
export const streamsMax = 65_536;

const ourSettings = [
  [settingId.concurrentStreamsMax, streamsMax],
  [settingId.initialWindowSize, streamWindowBytes],
  [settingId.frameSizeMax, frameBytesMax],
  [settingId.headerListSizeMax, headerListBytesMax],
] as const;

const settingsFrame = frameType.settings << 8;
const pingFrame = frameType.ping << 8;
const goAwayFrame = frameType.goAway << 8;
const windowUpdateFrame = frameType.windowUpdate << 8;
const resetFrame = frameType.reset << 8;
const settingBytes = 6;
const pingBytes = 8;

/** Block of compressed headers: a literal `:status` of 431. */
const headersTooLarge = Buffer.from([0x08, 0x03, 0x34, 0x33, 0x31]);
const lastHeadersFrame = (frameType.headers << 8) | frameFlag.endHeaders | frameFlag.endStream;

/** Our settings, the first frame that a client gets. */
export function writeSettings(output: Output): void {
  output.head(settingsFrame, 0, ourSettings.length * settingBytes);
  for (const [id, value] of ourSettings) {
    output.copy(Buffer.from([0, id]), 0, 2);
    output.uint32(value);
  }
}

export function writeSettingsAck(output: Output): void {
  output.head(settingsFrame | frameFlag.acknowledged, 0, 0);
}

/** @param bytes what a client sent with a ping, from `start` on */
export function writePingAck(output: Output, bytes: Buffer, start: number): void {
  output.head(pingFrame | frameFlag.acknowledged, 0, pingBytes);
  output.copy(bytes, start, start + pingBytes);
}

export function writePing(output: Output, bytes: Buffer): void {
  output.head(pingFrame, 0, pingBytes);
  output.copy(bytes, 0, pingBytes);
}

export function writeGoAway(output: Output, lastStreamId: number, code: number): void {
  output.head(goAwayFrame, 0, 8);
  output.uint32(lastStreamId);
  output.uint32(code);
}

/** @param streamId 0 for the connection */
export function writeWindowUpdate(output: Output, streamId: number, bytes: number): void {
  output.head(windowUpdateFrame, streamId, 4);
  output.uint32(bytes);
}

export function writeReset(output: Output, streamId: number, code: number): void {
  output.head(resetFrame, streamId, 4);
  output.uint32(code);
}

/**
 * Answers a request whose headers are too large.
 *
 * @param tableUpdate first bytes of the block, if the client is owed some
 */
export function writeTooLarge(output: Output, streamId: number, tableUpdate: Uint8Array): void {
  output.head(lastHeadersFrame, streamId, tableUpdate.length + headersTooLarge.length);
  output.copy(tableUpdate, 0, tableUpdate.length);
  output.copy(headersTooLarge, 0, headersTooLarge.length);
}
