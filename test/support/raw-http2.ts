import { connect, type Socket } from "node:net";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  type HeaderPair,
  preface,
  settingsOf,
  uint32,
} from "../../loadtest/fuzz-http/http2-frames.ts";
import { eventually } from "./wait.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const headBytes = 9;

/** An HTTP/2 client that sends any bytes and keeps the frames that it gets. */
export class RawHttp2 {
  readonly frames: RawFrame[] = [];
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => {
      this.#isClosed = true;
    });
    this.#socket.on("data", (chunk) => this.#read(Buffer.from(chunk)));
  }

  /** True once the server has ended the connection. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Stops reading what the server sends, or goes on. */
  hear(isHearing: boolean): void {
    if (isHearing) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Ends the client's side of the connection. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The first frame of a type that has come, once it has. */
  frame(type: number, isWanted: (frame: RawFrame) => boolean = () => true): Promise<RawFrame> {
    return eventually(`a frame of type ${type}`, () =>
      this.frames.find((frame) => frame.type === type && isWanted(frame)),
    );
  }

  /** The error code of the GOAWAY that ends the connection. */
  async goAwayCode(): Promise<number> {
    const { payload } = await this.frame(frameTypes.goAway);
    return payload.readUInt32BE(4);
  }

  async resetCode(stream: number): Promise<number> {
    const { payload } = await this.frame(frameTypes.reset, (frame) => frame.stream === stream);
    return payload.readUInt32BE(0);
  }

  /** The headers that end a stream. */
  end(stream: number): Promise<RawFrame> {
    return this.frame(
      frameTypes.headers,
      (frame) => frame.stream === stream && (frame.flags & endStream) !== 0,
    );
  }

  /** Data of a stream so far. */
  data(stream: number): Buffer {
    return Buffer.concat(
      this.frames
        .filter((frame) => frame.type === frameTypes.data && frame.stream === stream)
        .map(({ payload }) => payload),
    );
  }

  #read(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#received, chunk]);
    while (bytes.length >= headBytes && bytes.length >= headBytes + bytes.readUIntBE(0, 3)) {
      const end = headBytes + bytes.readUIntBE(0, 3);
      this.frames.push({
        type: bytes[3] ?? 0,
        flags: bytes[4] ?? 0,
        stream: bytes.readUInt32BE(5),
        payload: bytes.subarray(headBytes, end),
      });
      bytes = bytes.subarray(end);
    }
    this.#received = bytes;
  }
}

export const greeting = Buffer.concat([preface, settingsOf([])]);

export const processHeaders: readonly HeaderPair[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":authority", "picker"],
  [":path", "/envoy.service.ext_proc.v3.ExternalProcessor/Process"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

/** Opens a stream. Headers replace those of ext_proc's method by name, and remove them with an empty value. */
export function openStream(
  stream: number,
  { headers = [], flags = 0 }: { headers?: readonly HeaderPair[]; flags?: number } = {},
): Buffer {
  const changed = new Map([...processHeaders, ...headers]);
  const block = blockOf([...changed].filter(([, value]) => value !== ""));
  return frameOf(frameTypes.headers, endHeaders | flags, stream, block);
}

export function data(stream: number, payload: Buffer, flags = 0): Buffer {
  return frameOf(frameTypes.data, flags, stream, payload);
}

export function reset(stream: number, code = 8): Buffer {
  return frameOf(frameTypes.reset, 0, stream, uint32(code));
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  return frameOf(frameTypes.windowUpdate, 0, stream, uint32(bytes));
}

/** A gRPC message around `payload`. */
export function framed(payload: Uint8Array, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** `ProcessingRequest{request_headers: {end_of_stream: true}}` */
export const bodylessRequest = framed(Buffer.from([0x12, 0x02, 0x18, 0x01]));
