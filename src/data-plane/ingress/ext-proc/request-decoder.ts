import {
  type BodyMode,
  bodyModes,
  type ListedHeaders,
  type ProtocolConfig,
  type ProxyMessage,
} from "./messages.ts";
import { MetadataReader } from "./metadata-reader.ts";
import { ProtoReader, type Range } from "../../../std/proto-reader.ts";
import { protocolNames, subsetIn } from "./protocol-names.ts";
import { RawHeaders } from "./raw-headers.ts";

/** Fields of `ProcessingRequest`; those of its oneof, from the first to the last, are the kinds of messages. */
const requestField = {
  requestHeaders: 2,
  responseHeaders: 3,
  requestBody: 4,
  responseBody: 5,
  requestTrailers: 6,
  responseTrailers: 7,
  metadata: 8,
  config: 11,
} as const;
const headersField = { map: 1, endOfStream: 3 };
const bodyField = { bytes: 1, endOfStream: 2 };
const configField = { requestBody: 1, responseBody: 2, sendsBodyAtOnce: 3 };

const noBytes = Buffer.alloc(0);
const noHeaders: ListedHeaders = new Map<string, string>();

/** Stands for a message that is no protobuf. */
export const malformed = "malformed";

/**
 * Reads `ProcessingRequest`s from the bytes that were received: bodies are parts of them, and headers stay in them until
 * they are looked up. A field that is repeated counts with its last value, and so does the oneof of kinds.
 */
export class RequestDecoder {
  #bytes: Buffer = noBytes;
  readonly #reader = new ProtoReader(noBytes, 0, 0);
  #metadata: Range | undefined;
  #config: Range | undefined;
  #isBroken = false;
  /** The parts of the last payload of headers. */
  #headers = noHeaders;
  #endOfStream = false;

  /** The message in a part of `bytes`; undefined if its kind is unknown. */
  decode(bytes: Buffer, start: number, end: number): ProxyMessage | undefined | typeof malformed {
    const reader = this.#reader;
    reader.begin(bytes, start, end);
    this.#bytes = bytes;
    this.#metadata = undefined;
    this.#config = undefined;
    this.#isBroken = false;
    let kind = 0;
    let payloadStart = 0;
    let payloadEnd = 0;
    while (reader.next()) {
      const { field, valueStart, valueEnd } = reader;
      if (!reader.isBytes(field)) reader.skip();
      else if (field >= requestField.requestHeaders && field <= requestField.responseTrailers) {
        kind = field;
        payloadStart = valueStart;
        payloadEnd = valueEnd;
      } else if (field === requestField.metadata) {
        this.#metadata = { start: valueStart, end: valueEnd };
      } else if (field === requestField.config) {
        this.#config = { start: valueStart, end: valueEnd };
      }
    }
    if (reader.isBroken) return malformed;
    reader.within(payloadStart, payloadEnd);
    const message = this.#message(kind);
    return this.#isBroken || reader.isBroken ? malformed : message;
  }

  #message(kind: number): ProxyMessage | undefined {
    switch (kind) {
      case requestField.requestBody:
        return this.#body("request-body");
      case requestField.responseBody:
        return this.#body("response-body");
      case requestField.requestHeaders:
        this.#readHeaders();
        return {
          kind: "request-headers",
          headers: this.#headers,
          endOfStream: this.#endOfStream,
          subset: this.#subset(),
          config: this.#protocolConfig(),
        };
      case requestField.responseHeaders:
        this.#readHeaders();
        return {
          kind: "response-headers",
          headers: this.#headers,
          endOfStream: this.#endOfStream,
          servedBy: this.#servedBy(),
        };
      // Trailers are a map of headers too.
      case requestField.requestTrailers:
        this.#readHeaders();
        return { kind: "request-trailers" };
      case requestField.responseTrailers:
        this.#readHeaders();
        return { kind: "response-trailers" };
      default:
        return undefined;
    }
  }

  #body(kind: "request-body" | "response-body"): ProxyMessage {
    const reader = this.#reader;
    let start = 0;
    let end = 0;
    let endOfStream = false;
    while (reader.next()) {
      if (reader.isBytes(bodyField.bytes)) {
        start = reader.valueStart;
        end = reader.valueEnd;
      } else if (reader.isVarint(bodyField.endOfStream)) endOfStream = reader.bool();
      else reader.skip();
    }
    return { kind, body: start === end ? noBytes : this.#bytes.subarray(start, end), endOfStream };
  }

  #readHeaders(): void {
    const reader = this.#reader;
    this.#headers = noHeaders;
    this.#endOfStream = false;
    let map: Range | undefined;
    while (reader.next()) {
      if (reader.isBytes(headersField.map))
        map = { start: reader.valueStart, end: reader.valueEnd };
      else if (reader.isVarint(headersField.endOfStream)) this.#endOfStream = reader.bool();
      else reader.skip();
    }
    if (map === undefined) return;
    const headers = RawHeaders.of(this.#bytes, map);
    if (headers === undefined) this.#isBroken = true;
    else this.#headers = headers;
  }

  #protocolConfig(): ProtocolConfig | undefined {
    if (this.#config === undefined) return undefined;
    const reader = new ProtoReader(this.#bytes, this.#config.start, this.#config.end);
    let requestMode = 0;
    let responseMode = 0;
    let sendsBodyAtOnce = false;
    while (reader.next()) {
      if (reader.isVarint(configField.requestBody)) requestMode = reader.varint();
      else if (reader.isVarint(configField.responseBody)) responseMode = reader.varint();
      else if (reader.isVarint(configField.sendsBodyAtOnce)) sendsBodyAtOnce = reader.bool();
      else reader.skip();
    }
    this.#isBroken ||= reader.isBroken;
    return {
      requestBody: bodyModeOf(requestMode),
      responseBody: bodyModeOf(responseMode),
      sendsBodyAtOnce,
    };
  }

  /** The gateway's subset hint; undefined if there is none, empty if it names no endpoint. */
  #subset(): readonly string[] | undefined {
    const { subsetNamespace, subset } = protocolNames;
    if (this.#metadata === undefined) return undefined;
    const metadata = new MetadataReader(this.#bytes, this.#metadata);
    const strings = metadata.strings(subsetNamespace, subset);
    this.#isBroken ||= metadata.isBroken;
    return strings && subsetIn(strings);
  }

  #servedBy(): string | undefined {
    const { lbNamespace, served } = protocolNames;
    if (this.#metadata === undefined) return undefined;
    const metadata = new MetadataReader(this.#bytes, this.#metadata);
    const endpoint = metadata.string(lbNamespace, served);
    this.#isBroken ||= metadata.isBroken;
    return endpoint;
  }
}

function bodyModeOf(mode: number): BodyMode {
  return bodyModes[mode] ?? "full-duplex";
}
