import { isAscii, isUtf8 } from "node:buffer";
import type { HeaderPair } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";
import type { HeaderMap__Output } from "./generated/envoy/config/core/v3/HeaderMap.ts";
import type { HeaderValue__Output } from "./generated/envoy/config/core/v3/HeaderValue.ts";
import type { HeaderValueOption } from "./generated/envoy/config/core/v3/HeaderValueOption.ts";
import type { Metadata__Output } from "./generated/envoy/config/core/v3/Metadata.ts";
import type { CommonResponse } from "./generated/envoy/service/ext_proc/v3/CommonResponse.ts";
import type { HttpHeaders__Output } from "./generated/envoy/service/ext_proc/v3/HttpHeaders.ts";
import type { ProcessingRequest__Output } from "./generated/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { ProcessingResponse } from "./generated/envoy/service/ext_proc/v3/ProcessingResponse.ts";
import type { ProtocolConfiguration__Output } from "./generated/envoy/service/ext_proc/v3/ProtocolConfiguration.ts";
import type { Value__Output } from "./generated/google/protobuf/Value.ts";
import {
  bodyModes,
  type BodyPiece,
  durationOf,
  isListedAgain,
  type ListedHeaders,
  type NewBody,
  type RequestPick,
  type ProtocolConfig,
  type ProxyAnswer,
  type ProxyMessage,
} from "./messages.ts";
import { protocolNames as names, subsetIn } from "./protocol-names.ts";

const lengthHeader = "content-length";

const emptyBody = new Uint8Array(0);

/** Decodes a message; undefined if its kind is unknown. */
export function messageOf(wire: ProcessingRequest__Output): ProxyMessage | undefined {
  switch (wire.request) {
    case "request_headers":
      return {
        kind: "request-headers",
        headers: headersOf(wire.request_headers),
        endOfStream: wire.request_headers?.end_of_stream === true,
        subset: subsetOf(wire.metadata_context),
        config: configOf(wire.protocol_config),
      };
    case "request_body":
      return {
        kind: "request-body",
        body: wire.request_body?.body ?? emptyBody,
        endOfStream: wire.request_body?.end_of_stream === true,
      };
    case "request_trailers":
      return { kind: "request-trailers" };
    case "response_headers":
      return {
        kind: "response-headers",
        headers: headersOf(wire.response_headers),
        endOfStream: wire.response_headers?.end_of_stream === true,
        servedBy: servedOf(wire.metadata_context),
      };
    case "response_body":
      return {
        kind: "response-body",
        body: wire.response_body?.body ?? emptyBody,
        endOfStream: wire.response_body?.end_of_stream === true,
      };
    case "response_trailers":
      return { kind: "response-trailers" };
    case undefined:
    default:
      return undefined;
  }
}

export function responseOf(answer: ProxyAnswer): ProcessingResponse {
  switch (answer.kind) {
    case "request-headers":
      return withDestination(
        { request_headers: { response: pickMutation(answer.pick) } },
        answer.pick,
      );
    case "request-body":
      return withDestination(
        {
          request_body: {
            response: { ...pickMutation(answer.pick), ...bodyMutation(answer.piece) },
          },
        },
        answer.pick,
      );
    case "request-trailers":
      return { request_trailers: {} };
    case "response-headers":
      return { response_headers: { response: headMutation(answer) } };
    case "response-body":
      return withNumbers(
        { response_body: { response: bodyMutation(answer.piece) } },
        answer.metadata,
      );
    case "response-trailers":
      return withNumbers({ response_trailers: {} }, answer.metadata);
    case "later": {
      const { seconds, nanos } = durationOf(answer.timeoutMs);
      return { override_message_timeout: { seconds, nanos } };
    }
    case "immediate": {
      const { httpStatus, headers, body } = answer.response;
      return {
        immediate_response: {
          status: { code: httpStatus },
          headers: { set_headers: headers.map(([key, value]) => headerOption(key, value)) },
          body: Buffer.from(body),
        },
      };
    }
  }
}

/** Looks headers up in the received list, without a map: a request looks up about five of twenty headers. */
class WireHeaders implements ListedHeaders {
  readonly #map: HeaderMap__Output | undefined;

  constructor(map: HeaderMap__Output | undefined) {
    this.#map = map;
  }

  get(name: string): string | undefined {
    for (const header of this.#map?.headers ?? []) {
      if (header.key !== name) continue;
      return valueOf(header);
    }
    return undefined;
  }

  isRepeated(name: string): boolean {
    return isListedAgain(this, name);
  }

  *[Symbol.iterator](): Iterator<HeaderPair> {
    for (const header of this.#map?.headers ?? []) yield [header.key ?? "", valueOf(header)];
  }
}

/** The value of a header: proxies set either of its two fields. */
function valueOf({ raw_value: raw, value = "" }: HeaderValue__Output): string {
  return raw !== undefined && raw.length > 0 ? textOf(raw) : value;
}

/** Decodes UTF-8; other bytes become one character each (Latin-1), so that values stay distinct. */
function textOf(bytes: Buffer): string {
  const encoding = !isAscii(bytes) && isUtf8(bytes) ? "utf8" : "latin1";
  return bytes.toString(encoding);
}

function headersOf(headers: HttpHeaders__Output | undefined): ListedHeaders {
  return new WireHeaders(headers?.headers);
}

function configOf(config: ProtocolConfiguration__Output | undefined): ProtocolConfig | undefined {
  if (config === undefined) return undefined;
  return {
    requestBody: bodyModes[config.request_body_mode ?? 0] ?? "full-duplex",
    responseBody: bodyModes[config.response_body_mode ?? 0] ?? "full-duplex",
    sendsBodyAtOnce: config.send_body_without_waiting_for_header_response === true,
  };
}

/**
 * The gateway's subset hint: a list of strings, one comma-separated string, or a list of such strings. Undefined if
 * there is no hint; an empty list if the hint names no endpoint.
 */
function subsetOf(metadata: Metadata__Output | undefined): readonly string[] | undefined {
  const hint = fieldOf(metadata, names.subsetNamespace, names.subset);
  if (hint === undefined) return undefined;
  const values = hint.listValue?.values ?? [hint];
  return subsetIn(values.map((value) => value.stringValue ?? ""));
}

function servedOf(metadata: Metadata__Output | undefined): string | undefined {
  return fieldOf(metadata, names.lbNamespace, names.served)?.stringValue;
}

function fieldOf(
  metadata: Metadata__Output | undefined,
  namespace: string,
  key: string,
): Value__Output | undefined {
  return metadata?.filter_metadata?.[namespace]?.fields?.[key];
}

/** Sets a header. It overwrites, so that a client's copy of the header never survives. */
function headerOption(key: string, value: string): HeaderValueOption {
  return {
    header: { key, raw_value: Buffer.from(value) },
    append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
  };
}

function pickMutation(pick: RequestPick | undefined): CommonResponse {
  if (pick === undefined) return {};
  const set = [headerOption(names.destination, pick.destination)];
  for (const [key, value] of pick.headers) set.push(headerOption(key, value));
  if (pick.bodyBytes !== undefined) set.push(headerOption(lengthHeader, String(pick.bodyBytes)));
  const removed = pick.removed.length === 0 ? {} : { remove_headers: [...pick.removed] };
  return { header_mutation: { set_headers: set, ...removed }, clear_route_cache: true };
}

function headMutation({ set, removed }: Extract<ProxyAnswer, { kind: "response-headers" }>) {
  if (set.length === 0 && removed.length === 0) return {};
  const mutation = {
    set_headers: set.map(([key, value]) => headerOption(key, value)),
    remove_headers: [...removed],
  };
  return { header_mutation: mutation };
}

function bodyMutation(piece: BodyPiece | NewBody | undefined): CommonResponse {
  if (piece === undefined) return {};
  if ("replaced" in piece) return { body_mutation: { body: Buffer.from(piece.replaced) } };
  const { body, endOfStream } = piece;
  return { body_mutation: { streamed_response: { body, end_of_stream: endOfStream } } };
}

/** Adds numbers as metadata. */
function withNumbers(
  response: ProcessingResponse,
  metadata: ResponseMetadata | undefined,
): ProcessingResponse {
  if (metadata === undefined) return response;
  const namespaces = [...metadata].map(([namespace, numbers]) => {
    const values = [...numbers].map(([name, numberValue]) => [name, { numberValue }] as const);
    return [namespace, { structValue: { fields: Object.fromEntries(values) } }] as const;
  });
  return { ...response, dynamic_metadata: { fields: Object.fromEntries(namespaces) } };
}

/**
 * Adds the destination as metadata: the protocol requires it both as a header and, with the same value, as metadata.
 */
function withDestination(
  response: ProcessingResponse,
  pick: RequestPick | undefined,
): ProcessingResponse {
  if (pick === undefined) return response;
  const fields = { [names.destination]: { stringValue: pick.destination } };
  return {
    ...response,
    dynamic_metadata: { fields: { [names.lbNamespace]: { structValue: { fields } } } },
  };
}
