import { once } from "node:events";
import { type ClientHttp2Session, connect, constants } from "node:http2";
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
  readonly response_body?: { readonly response?: CommonAnswer };
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
  /** Bytes of each message of the body; by default it is one message. */
  readonly chunkBytes?: number;
}

/** What the picker answered to one request. */
export interface Picked {
  /** Headers it set on the request, the destination among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Status of an answer in the engine's place. */
  readonly refused: number | undefined;
}

/** The response of an engine, as a proxy passes it on. */
export interface ProxiedResponse {
  readonly headers?: Readonly<Record<string, string>>;
  readonly chunks?: readonly string[];
  /** Sends trailers at the end. */
  readonly hasTrailers?: boolean;
  /** Resets the stream after the chunks, as a proxy does whose engine or client has left. */
  readonly isCut?: boolean;
}

/** One request as a proxy in full duplex shows it; `finish` sends its response. */
export interface OpenRequest {
  readonly picked: Promise<Picked>;
  /** Bytes of the body that the picker has passed on so far. */
  readonly passedBytes: number;
  /** Bytes of the request that wait because the picker does not read. */
  readonly unsentBytes: number;
  /** The response that the client would get so far: headers that were set, and the body. */
  readonly received: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  /** Sends a response, `{}` if it is not given, and resolves when the stream has closed. */
  finish(response?: ProxiedResponse): Promise<void>;
  /** Ends the proxy's side of the stream. */
  sendNoMore(): void;
  /** Resets the stream, as a proxy does whose client has left. */
  leave(): void;
}

/** Speaks ext_proc with a picker in cleartext, the way a proxy does. */
export class ExtProcClient {
  readonly #session: ClientHttp2Session;

  constructor(port: number, address = "127.0.0.1") {
    this.#session = connect(`http://${address}:${port}`);
    this.#session.on("error", () => undefined);
  }

  open({
    headers = {},
    path = "/v1/completions",
    body,
    chunkBytes = Number.POSITIVE_INFINITY,
  }: ProxiedRequest): OpenRequest {
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
        ...bodyFrames(Buffer.from(body), chunkBytes),
      ]),
    );
    const closed = new Promise<void>((resolve, reject) => {
      stream.on("error", reject);
      stream.on("close", resolve);
    });
    // A failure shows where somebody waits for it.
    closed.catch(() => undefined);
    const answers = answersIn(stream);
    const picked = pickedFrom(answers, closed);
    picked.catch(() => undefined);
    return {
      picked,
      get unsentBytes() {
        return stream.writableLength;
      },
      get passedBytes() {
        return answers.passedBytes;
      },
      get received() {
        return answers.received;
      },
      sendNoMore: () => stream.end(),
      leave: () => stream.close(constants.NGHTTP2_CANCEL),
      finish: async (response = {}) => {
        stream.write(Buffer.concat([...responseFrames(response)]));
        if (response.isCut === true) {
          // The reset would overtake what has not been read.
          const count = (response.chunks ?? ["{}"]).length;
          while (answers.responseAnswers < 1 + count) await once(stream, "data");
          stream.close(constants.NGHTTP2_CANCEL);
        } else stream.end();
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

function* bodyFrames(body: Buffer, chunkBytes: number): Generator<Buffer> {
  let end = 0;
  do {
    const start = end;
    end = Math.min(body.length, start + chunkBytes);
    const message = { body: body.subarray(start, end), end_of_stream: end === body.length };
    yield frameOf({ request_body: message });
  } while (end < body.length);
}

function* responseFrames({
  headers = {},
  chunks = ["{}"],
  hasTrailers = false,
  isCut = false,
}: ProxiedResponse): Generator<Buffer> {
  const all = { ":status": "200", ...headers };
  const end_of_stream = chunks.length === 0 && !isCut;
  yield frameOf({
    response_headers: { headers: { headers: headerList(all) }, end_of_stream },
  });
  for (const [index, chunk] of chunks.entries()) {
    const isLast = index === chunks.length - 1 && !hasTrailers && !isCut;
    yield frameOf({ response_body: { body: Buffer.from(chunk), end_of_stream: isLast } });
  }
  if (hasTrailers) yield frameOf({ response_trailers: {} });
}

interface Answers {
  passedBytes: number;
  /** Answers to the head and the chunks of the response. */
  responseAnswers: number;
  received: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  onPicked: (picked: Picked) => void;
}

/** Reads the answers to one request. */
function answersIn(stream: NodeJS.ReadableStream): Answers {
  const answers: Answers = {
    passedBytes: 0,
    responseAnswers: 0,
    received: { headers: {}, body: "" },
    onPicked: () => undefined,
  };
  let bytes = Buffer.alloc(0);
  let headers: Record<string, string> | undefined;
  stream.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      const answer = codec.responseDeserialize(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
      const refused = answer.immediate_response?.status?.code;
      if (refused !== undefined) answers.onPicked({ headers: {}, body: "", refused });
      headers ??= answer.request_headers && headersSetBy(answer.request_headers.response);
      const piece = answer.request_body?.response?.body_mutation?.streamed_response?.body;
      answers.passedBytes += piece?.length ?? 0;
      if (piece !== undefined && headers !== undefined) {
        answers.onPicked({ headers, body: piece.toString(), refused: undefined });
      }
      readResponse(answers, answer);
    }
  });
  return answers;
}

function readResponse(answers: Answers, { response_headers, response_body }: Answer): void {
  if (response_headers === undefined && response_body === undefined) return;
  answers.responseAnswers += 1;
  const piece = response_body?.response?.body_mutation?.streamed_response?.body;
  answers.received = {
    headers: { ...answers.received.headers, ...headersSetBy(response_headers?.response) },
    body: answers.received.body + (piece?.toString() ?? ""),
  };
}

function pickedFrom(answers: Answers, closed: Promise<void>): Promise<Picked> {
  return new Promise((resolve, reject) => {
    answers.onPicked = resolve;
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
