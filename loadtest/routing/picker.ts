import { writeFile } from "node:fs/promises";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import path from "node:path";
import type { Crew } from "../../src/demo/crew.ts";
import { isRequestLine } from "../../src/demo/picks.ts";
import { systemClock } from "../../src/std/clock.ts";
import { freePort } from "../../test/support/free-port.ts";
import { canConnect } from "../can-connect.ts";
import { decodeAnswer, encode, header } from "../ext-proc-messages.ts";

const host = "127.0.0.1";
const methodPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const destinationHeader = "x-gateway-destination-endpoint";

/** Milliseconds until a picker has to listen, between two looks, and for it to read its endpoints. */
const readyMsMax = 20_000;
const lookMs = 50;
const settleMs = 2_000;

/** What Envoy sends of a body at a time. */
const chunkBytes = 65_536;

export interface PickerOptions {
  /** The command that runs the picker, before its flags. */
  readonly command: readonly string[];
  /** With the path of the endpoints file in its place. */
  readonly document: string;
}

export interface Picker {
  readonly pid: number;
  readonly port: number;
  readonly metricsPort: number;
}

/** Starts a picker; resolves when it listens and has had time to read its endpoints. */
export async function startPicker(options: PickerOptions, crew: Crew): Promise<Picker> {
  const configFile = path.join(crew.folder, "config.yaml");
  await writeFile(configFile, options.document);
  const [program = "", ...argv] = options.command;
  const port = await freePort();
  const metricsPort = await freePort();
  const child = crew.start({
    name: "the picker",
    program,
    argv: [
      ...[...argv, "--config-file", configFile, "--secure-serving=false"],
      ...["--grpc-port", String(port), "--grpc-health-port", String(await freePort())],
      ...["--metrics-port", String(metricsPort)],
    ],
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
    isRoutine: isRequestLine,
  });
  const endMs = systemClock.nowMs() + readyMsMax;
  const listening = async () => {
    while (!(await canConnect(port))) {
      if (systemClock.nowMs() > endMs)
        throw new Error(`the picker was not ready in ${readyMsMax} ms`);
      await systemClock.sleep(lookMs);
    }
    await systemClock.sleep(settleMs);
  };
  await Promise.race([listening(), crew.death]);
  return { pid: child.pid ?? 0, port, metricsPort };
}

/** One request at the picker: where it goes, and then how its answer went. */
export interface PickedRequest {
  /** `ip:port`. */
  readonly hostPort: string;
  /** The head of the answer and its first piece. */
  begin(piece: string): void;
  end(piece: string): void;
}

/** Shows a picker requests and answers the way a proxy does in full duplex. */
export class PickerClient {
  readonly #session: ClientHttp2Session;

  constructor({ port }: Picker) {
    this.#session = connect(`http://${host}:${port}`);
    this.#session.on("error", () => undefined);
  }

  /** Rejects where the picker refuses the request or breaks off. */
  pick(id: string, body: string): Promise<PickedRequest> {
    const stream = this.#session.request({
      ":method": "POST",
      ":path": methodPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.write(requestFramesOf(id, Buffer.from(body)));
    return new Promise((resolve, reject) => {
      const frames = new FrameSplitter();
      let hostPort: string | undefined;
      let isPicked = false;
      stream.on("data", (chunk: Buffer) => {
        // What answers the response phase says nothing that is needed.
        if (isPicked) return;
        for (const frame of frames.push(chunk)) {
          const answer = decodeAnswer(frame);
          const refused = answer.immediate_response?.status?.code;
          if (refused !== undefined) reject(new Error(String(refused)));
          hostPort ??= destinationIn(answer);
          isPicked ||= answer.request_body !== undefined && answer.request_body !== null;
        }
        if (isPicked && hostPort !== undefined) resolve(pickedOf(stream, hostPort));
      });
      stream.on("error", reject);
      stream.on("close", () => reject(new Error("the stream closed without a pick")));
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

function pickedOf(stream: ClientHttp2Stream, hostPort: string): PickedRequest {
  const responseHeaders = [
    header(":status", "200"),
    header("content-type", "text/event-stream; charset=utf-8"),
  ];
  return {
    hostPort,
    begin(piece) {
      const head = encode({ response_headers: { headers: { headers: responseHeaders } } });
      stream.write(Buffer.concat([head, pieceOf(piece, false)]));
    },
    end(piece) {
      stream.end(pieceOf(piece, true));
    },
  };
}

function pieceOf(piece: string, isLast: boolean): Buffer {
  return encode({ response_body: { body: Buffer.from(piece), end_of_stream: isLast } });
}

function requestFramesOf(id: string, body: Buffer): Buffer {
  const headers = [
    header(":method", "POST"),
    header(":path", "/v1/chat/completions"),
    header(":scheme", "http"),
    header(":authority", "gateway.local"),
    header("content-type", "application/json"),
    header("content-length", String(body.length)),
    header("x-request-id", id),
  ];
  const frames = [encode({ request_headers: { headers: { headers } } })];
  for (let from = 0; from < body.length; from += chunkBytes) {
    const piece = body.subarray(from, from + chunkBytes);
    const isLast = from + chunkBytes >= body.length;
    frames.push(encode({ request_body: { body: piece, end_of_stream: isLast } }));
  }
  return Buffer.concat(frames);
}

function destinationIn(answer: ReturnType<typeof decodeAnswer>): string | undefined {
  const set = answer.request_headers?.response?.header_mutation?.set_headers ?? [];
  const found = set.find(({ header: one }) => one?.key === destinationHeader)?.header;
  // An ordered list of endpoints begins with the pick.
  const value = found?.raw_value?.toString() ?? "";
  return value === "" ? undefined : value.split(",")[0];
}

/** Cuts gRPC messages out of bytes that come in any pieces. */
class FrameSplitter {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): readonly Buffer[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const frames: Buffer[] = [];
    while (this.#bytes.length >= 5) {
      const end = 5 + this.#bytes.readUInt32BE(1);
      if (this.#bytes.length < end) break;
      frames.push(this.#bytes.subarray(5, end));
      this.#bytes = this.#bytes.subarray(end);
    }
    return frames;
  }
}
