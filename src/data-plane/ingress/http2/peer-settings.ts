import {
  ConnectionError,
  defaultFrameBytesMax,
  defaultWindowBytes,
  errorCode,
  settingId,
  windowBytesMax,
} from "./frame-types.ts";
import { protocolError } from "./frame-rules.ts";

const settingBytes = 6;
const frameBytesLimit = 2 ** 24 - 1;
const defaultTableBytes = 4_096;

/** Settings of the client that limit the frames we send. */
export class PeerSettings {
  /** Window that new streams have for what we send. */
  initialWindowBytes: number = defaultWindowBytes;
  /** Largest payload that it takes. */
  frameBytesMax: number = defaultFrameBytesMax;
  /** Size of the table of header compression, which we do not use. */
  tableBytes: number = defaultTableBytes;

  /** Reads the payload of a frame of settings. */
  apply(payload: Buffer, start: number, end: number): void {
    if ((end - start) % settingBytes !== 0) {
      throw new ConnectionError(errorCode.frameSize, "settings of the wrong size");
    }
    for (let at = start; at < end; at += settingBytes) {
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
  }

  #set(id: number, value: number): void {
    switch (id) {
      case settingId.headerTableSize:
        this.tableBytes = value;
        break;
      case settingId.enablePush:
        if (value > 1) throw protocolError("a wrong setting");
        break;
      case settingId.initialWindowSize:
        if (value > windowBytesMax) {
          throw new ConnectionError(errorCode.flowControl, "a window that is too large");
        }
        this.initialWindowBytes = value;
        break;
      case settingId.frameSizeMax:
        if (value < defaultFrameBytesMax || value > frameBytesLimit) {
          throw protocolError("a wrong setting");
        }
        this.frameBytesMax = value;
        break;
      default:
      // Limits of what we never send, and unknown settings.
    }
  }
}
