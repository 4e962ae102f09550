import { type ClientHttp2Session, connect } from "node:http2";
import { loadSync } from "@grpc/proto-loader";

const methodPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

interface Codec {
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

/** The parts of a `ProcessingResponse` that tests look at. */
interface Answer {
  readonly request_headers?: { readonly response?: CommonAnswer };
  readonly request_body?: { readonly response?: CommonAnswer };
  readonly response_headers?: { readonly response?: CommonAnswer };
  readonly immediate_response?: { readonly status?: { readonly code?: number } };
}

interface CommonAnswer {
  readonly header_mutation?: {
    readonly set_headers?: readonly {
      readonly header?: { readonly key?: string; readonly raw_value?: Buffer };
    }[];
  };
  readonly body_mutation?: { readonly streamed_response?: { readonly body?: Buffer } };
}

const codec = loadCodec();

function loadCodec(): Codec {
  const definition = loadSync("envoy/service/ext_proc/v3/external_processor.proto", {
    keepCase: true,
    includeDirs: ["protos"],
  });
  const service = definition["envoy.service.ext_proc.v3.ExternalProcessor"];
  const method = service !== undefined && "Process" in service ? service["Process"] : undefined;
  if (method === undefined || typeof method !== "object") throw new Error("no Process method");
  return method;
}

function frameOf(message: object): Buffer {
  const payload = codec.requestSerialize(message);
  const frame = Buffer.alloc(5 + payload.length);
  frame.writeUInt32BE(payload.length, 1);
  payload.copy(frame, 5);
  return frame;
}

export interface ProxiedRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly body: string;
}

/** What the picker answered to one request. */
export interface Picked {
  /** Headers it set on the request, the destination among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Status of an answer in the engine's place. */
  readonly refused: number | undefined;
}

/** One request as a proxy in full duplex shows it; `finish` sends its response. */
export interface OpenRequest {
  readonly picked: Promise<Picked>;
  finish(): Promise<void>;
}

/** Speaks ext_proc with a picker in cleartext, the way a proxy does. */
export class ExtProcClient {
  readonly #session: ClientHttp2Session;

  constructor(port: number, address = "127.0.0.1") {
    this.#session = connect(`http://${address}:${port}`);
    this.#session.on("error", () => undefined);
  }

  open({ headers = {}, path = "/v1/completions", body }: ProxiedRequest): OpenRequest {
    const stream = this.#session.request({
      ":method": "POST",
      ":path": methodPath,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const all = {
      ":method": "POST",
      ":path": path,
      "content-type": "application/json",
      ...headers,
    };
    stream.write(
      Buffer.concat([
        frameOf({ request_headers: { headers: { headers: headerList(all) } } }),
        frameOf({ request_body: { body: Buffer.from(body), end_of_stream: true } }),
      ]),
    );
    const closed = new Promise<void>((resolve, reject) => {
      stream.on("error", reject);
      stream.on("close", resolve);
    });
    // A failure shows where somebody waits for it.
    closed.catch(() => undefined);
    return {
      picked: pickedFrom(stream, closed),
      finish: () => {
        stream.end(
          Buffer.concat([
            frameOf({
              response_headers: { headers: { headers: headerList({ ":status": "200" }) } },
            }),
            frameOf({ response_body: { body: Buffer.from("{}"), end_of_stream: true } }),
          ]),
        );
        return closed;
      },
    };
  }

  /** One request from its headers to the end of its response. */
  async run(request: ProxiedRequest): Promise<Picked> {
    const open = this.open(request);
    const picked = await open.picked;
    if (picked.refused === undefined) await open.finish();
    return picked;
  }

  close(): void {
    this.#session.destroy();
  }
}

function pickedFrom(stream: NodeJS.ReadableStream, closed: Promise<void>): Promise<Picked> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    let headers: Record<string, string> | undefined;
    stream.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
        const end = 5 + bytes.readUInt32BE(1);
        const answer = codec.responseDeserialize(bytes.subarray(5, end));
        bytes = bytes.subarray(end);
        const refused = answer.immediate_response?.status?.code;
        if (refused !== undefined) resolve({ headers: {}, body: "", refused });
        headers ??= answer.request_headers && headersSetBy(answer.request_headers.response);
        const piece = answer.request_body?.response?.body_mutation?.streamed_response?.body;
        if (piece !== undefined && headers !== undefined) {
          resolve({ headers, body: piece.toString(), refused: undefined });
        }
      }
    });
    closed.then(() => reject(new Error("the stream closed without a pick")), reject);
  });
}

function headersSetBy(answer: CommonAnswer | undefined): Record<string, string> {
  const set = answer?.header_mutation?.set_headers ?? [];
  return Object.fromEntries(
    set.map(({ header }) => [header?.key ?? "", String(header?.raw_value ?? "")]),
  );
}

function headerList(headers: Readonly<Record<string, string>>) {
  return Object.entries(headers).map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));
}
