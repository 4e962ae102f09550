import { loadSync } from "@grpc/proto-loader";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProcessingRequest__Output } from "./generated/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { ProcessingResponse } from "./generated/envoy/service/ext_proc/v3/ProcessingResponse.ts";
import { AnswerEncoder } from "./answer-encoder.ts";
import type { BodyPiece, NewBody, ProxyAnswer, ProxyMessage } from "./messages.ts";
import { malformed, RequestDecoder } from "./request-decoder.ts";
import { messageOf, responseOf } from "./wire.ts";

/** protobuf.js, as grpc-js calls it. */
interface Reference {
  readonly requestSerialize: (message: object) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => ProcessingRequest__Output;
  readonly responseSerialize: (message: ProcessingResponse) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

const reference = loadReference();

function loadReference(): Reference {
  const definition = loadSync("envoy/service/ext_proc/v3/external_processor.proto", {
    keepCase: true,
    longs: Number,
    oneofs: true,
    includeDirs: ["protos"],
  });
  const service = definition["envoy.service.ext_proc.v3.ExternalProcessor"];
  const method = service !== undefined && "Process" in service ? service["Process"] : undefined;
  // The definition describes these very messages.
  return method as unknown as Reference;
}

const decoder = new RequestDecoder();
const decode = (bytes: Uint8Array) => decoder.decode(Buffer.from(bytes), 0, bytes.length);

/** Names that the properties look up. */
const names = [":path", "x-a", "content-type", "none"];

/** A message with what its headers have under all names, in place of what looks them up. */
function shown(message: ProxyMessage | undefined) {
  if (message === undefined || !("headers" in message)) {
    return message && "body" in message ? { ...message, body: Buffer.from(message.body) } : message;
  }
  const listed = Symbol.iterator in message.headers ? [...message.headers] : undefined;
  const repeated = names.filter((name) => message.headers.isRepeated?.(name) === true);
  return { ...message, headers: names.map((name) => message.headers.get(name)), listed, repeated };
}

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom(...names));
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const headerValue = fc.record(
  { key: fc.constantFrom(...names, ""), value: text, raw_value: bytes },
  { requiredKeys: [] },
);
const headers = fc.record(
  {
    headers: fc.record({ headers: fc.array(headerValue, { maxLength: 8 }) }, { requiredKeys: [] }),
    end_of_stream: fc.boolean(),
  },
  { requiredKeys: [] },
);
const body = fc.record({ body: bytes, end_of_stream: fc.boolean() }, { requiredKeys: [] });

const scalar = fc.oneof(
  fc.record({ stringValue: fc.constantFrom("", "a:1", "a:1, b:2", "é") }),
  fc.record({ numberValue: fc.double({ noNaN: true }) }),
  fc.record({ boolValue: fc.boolean() }),
  fc.record({ nullValue: fc.constant(0) }),
);
const value = fc.oneof(
  scalar,
  fc.record({ listValue: fc.record({ values: fc.array(scalar, { maxLength: 3 }) }) }),
  fc.record({ structValue: fc.record({ fields: fc.dictionary(text, scalar, { maxKeys: 2 }) }) }),
);
const fields = fc.dictionary(
  fc.constantFrom(
    "x-gateway-destination-endpoint-subset",
    "x-gateway-destination-endpoint-served",
    "other",
  ),
  value,
);
const metadata = fc.record({
  filter_metadata: fc.dictionary(
    fc.constantFrom("envoy.lb", "envoy.lb.subset_hint", "other"),
    fc.record({ fields }),
  ),
});
const mode = fc.integer({ min: 0, max: 6 });
const config = fc.record(
  {
    request_body_mode: mode,
    response_body_mode: mode,
    send_body_without_waiting_for_header_response: fc.boolean(),
  },
  { requiredKeys: [] },
);
const context = {
  metadata_context: fc.option(metadata, { nil: undefined }),
  protocol_config: fc.option(config, { nil: undefined }),
  observability_mode: fc.boolean(),
};
const request = fc.oneof(
  fc.record({ request_headers: headers, ...context }),
  fc.record({ response_headers: headers, ...context }),
  fc.record({ request_body: body, ...context }),
  fc.record({ response_body: body, ...context }),
  fc.record({ request_trailers: fc.constant({}) }),
  fc.record({ response_trailers: fc.constant({}) }),
  fc.record(context),
);

/** A field of bytes with a length that takes one byte. */
const field = (number: number, payload: Buffer | string) => {
  const content = Buffer.from(payload);
  return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
};
const flag = (number: number, on = true) => Buffer.from([number << 3, on ? 1 : 0]);

describe("RequestDecoder", () => {
  it("reads what protobuf.js reads", () => {
    fc.assert(
      fc.property(request, (message) => {
        const encoded = reference.requestSerialize(message);
        const expected = messageOf(reference.requestDeserialize(encoded));
        const decoded = decode(encoded);
        expect(decoded).not.toBe(malformed);
        // A message that is not malformed is a message.
        expect(shown(decoded as ProxyMessage | undefined)).toEqual(shown(expected));
      }),
      { numRuns: 3_000 },
    );
  });

  it("reads or refuses any bytes", () => {
    const mutation = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
    let read = 0;
    fc.assert(
      fc.property(
        request,
        fc.array(mutation, { maxLength: 3 }),
        fc.nat(),
        (message, changes, cut) => {
          const encoded = reference.requestSerialize(message);
          for (const { at, byte } of changes)
            if (encoded.length > 0) encoded[at % encoded.length] = byte;
          const sent = encoded.subarray(0, encoded.length - (cut % 3));
          if (decode(sent) !== malformed) read += 1;
        },
      ),
      { numRuns: 5_000 },
    );
    expect(read).toBeGreaterThan(500);
  });

  it.each([
    ["is cut off in a tag", [0x92]],
    ["is cut off in a length", [0x12, 0x80]],
    ["is shorter than a field", [0x12, 0x05, 0x18]],
    ["has a number of eleven bytes", [0x50, ...Array.from({ length: 10 }, () => 0x80), 0x01]],
    ["has a length of 2^32 and more", [0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["has a field of number 0", [0x02, 0x00]],
    ["has an unknown wire type", [0x57, 0x00]],
    ["ends a group that never began", [0x54]],
    ["has a group without an end", [0x53, 0x08, 0x01]],
    ["has headers that are cut off", [0x12, 0x03, 0x0a, 0x05, 0x0a]],
    ["has a header that is cut off", [0x12, 0x05, 0x0a, 0x03, 0x0a, 0x05, 0x61]],
    ["has trailers that are cut off", [0x32, 0x03, 0x0a, 0x05, 0x0a]],
    ["has a body that is cut off", [0x22, 0x03, 0x0a, 0x05, 0x61]],
    ["has a configuration that is cut off", [0x12, 0x00, 0x5a, 0x01, 0x08]],
    ["has metadata that are cut off", [0x12, 0x00, 0x42, 0x02, 0x0a, 0x05]],
  ])("refuses a message that %s", (_, message) => {
    expect(decode(Uint8Array.from(message))).toBe(malformed);
  });

  it("skips fields that it does not know, of every wire type", () => {
    const unknown = Buffer.from([
      ...[0xf8, 0x01, 0x96, 0x01],
      ...[0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0xfa, 0x01, 0x02, 0x61, 0x62],
      ...[0xfb, 0x01, 0x08, 0x01, 0xfc, 0x01],
      ...[0xfd, 0x01, 1, 2, 3, 4],
    ]);
    const payload = Buffer.concat([unknown, field(1, "hello"), unknown, flag(2), unknown]);
    const message = Buffer.concat([unknown, field(4, payload), unknown]);
    expect(decode(message)).toEqual({
      kind: "request-body",
      body: Buffer.from("hello"),
      endOfStream: true,
    });
  });

  it("takes the last kind of a message, and the last value of a field", () => {
    const first = field(2, flag(3));
    const second = field(4, Buffer.concat([field(1, "a"), field(1, "b"), flag(2), flag(2, false)]));
    expect(decode(Buffer.concat([first, second]))).toEqual({
      kind: "request-body",
      body: Buffer.from("b"),
      endOfStream: false,
    });
    expect(decode(Buffer.concat([second, first]))).toMatchObject({
      kind: "request-headers",
      endOfStream: true,
    });
  });

  it.each([
    ["its value before its key", [field(3, "v"), field(1, "x-a")]],
    ["a key that is repeated", [field(1, "x-b"), field(1, "x-a"), field(3, "v")]],
    ["a value that is repeated", [field(1, "x-a"), field(3, "w"), field(3, "v")]],
    ["an unknown field first", [field(9, "x"), field(1, "x-a"), field(3, "v")]],
    [
      "an overlong length of its key",
      [Buffer.from([0x0a, 0x83, 0x00]), Buffer.from("x-a"), field(3, "v")],
    ],
    ["both values", [field(1, "x-a"), field(2, "w"), field(3, "v")]],
    ["an empty raw value", [field(1, "x-a"), field(3, ""), field(2, "v")]],
  ])("finds a header that has %s", (_, parts) => {
    const map = Buffer.concat([
      field(1, Buffer.concat([field(1, "first"), field(3, "1")])),
      field(1, Buffer.concat(parts)),
      field(1, Buffer.concat([field(1, "x-a"), field(3, "later")])),
    ]);
    const message = decode(field(2, field(1, map)));
    if (message === undefined || message === malformed || !("headers" in message)) {
      throw new Error("no headers");
    }
    expect([message.headers.get("first"), message.headers.get("x-a")]).toEqual(["1", "v"]);
  });

  it("finds headers with long values, names and maps", () => {
    const long = "v".repeat(20_000);
    const name = "n".repeat(200);
    const encoded = reference.requestSerialize({
      request_headers: {
        headers: {
          headers: [
            { key: name, raw_value: Buffer.from("1") },
            { key: "long", raw_value: Buffer.from(long) },
            { key: "x-a", raw_value: Buffer.from("2") },
          ],
        },
      },
    });
    const message = decode(encoded);
    if (message === undefined || message === malformed || !("headers" in message)) {
      throw new Error("no headers");
    }
    expect([name, "long", "x-a", "x"].map((each) => message.headers.get(each))).toEqual([
      "1",
      long,
      "2",
      undefined,
    ]);
  });

  it("gives a body that is a part of the bytes that were received", () => {
    const received = Buffer.from(field(4, field(1, "hello")));
    const message = decoder.decode(received, 0, received.length);
    expect(message).toMatchObject({ kind: "request-body" });
    if (message === undefined || message === malformed || !("body" in message)) return;
    expect(message.body.buffer).toBe(received.buffer);
  });
});

const header = fc.tuple(fc.stringMatching(/^x-[a-z]{1,8}$/), text);
const pick = fc.option(
  fc.record({
    destination: fc.constantFrom("10.0.0.1:8000", "10.0.0.1:8000,10.0.0.2:8000", "[fd00::1]:80"),
    headers: fc.array(header, { maxLength: 3 }),
    removed: fc.array(fc.constantFrom("x-b", "x-c"), { maxLength: 2 }),
    bodyBytes: fc.option(fc.nat(), { nil: undefined }),
  }),
  { nil: undefined },
);
const pieceBody = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 4_000, max: 70_000 }).map((length) => Buffer.alloc(length, "x")),
);
const piece: fc.Arbitrary<BodyPiece | NewBody | undefined> = fc.oneof(
  fc.record({ body: pieceBody, endOfStream: fc.boolean() }),
  fc.record({ replaced: pieceBody }),
  fc.constant(undefined),
);
const mapName = fc.stringMatching(/^[a-z.]{1,12}$/);
const numbers = fc
  .array(fc.tuple(mapName, fc.integer({ min: -(2 ** 40), max: 2 ** 40 })), { minLength: 1 })
  .map((entries) => new Map(entries));
const reportedMetadata = fc.option(
  fc.array(fc.tuple(mapName, numbers), { minLength: 1, maxLength: 3 }).map((all) => new Map(all)),
  { nil: undefined },
);
const answer: fc.Arbitrary<ProxyAnswer> = fc.oneof(
  fc.record({ kind: fc.constant("request-headers" as const), pick }),
  fc.record({ kind: fc.constant("request-body" as const), piece, pick }),
  fc.record({ kind: fc.constant("request-trailers" as const) }),
  fc.record({ kind: fc.constant("later" as const), timeoutMs: fc.integer({ min: 1, max: 1e9 }) }),
  fc.record({
    kind: fc.constant("response-headers" as const),
    set: fc.array(header, { maxLength: 3 }),
    removed: fc.array(fc.constantFrom("content-length", "x"), { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("response-body" as const), piece, metadata: reportedMetadata }),
  fc.record({ kind: fc.constant("response-trailers" as const), metadata: reportedMetadata }),
  fc.record({
    kind: fc.constant("immediate" as const),
    response: fc.record({
      httpStatus: fc.constantFrom(400, 413, 429, 500, 503),
      headers: fc.array(header, { maxLength: 4 }),
      body: fc.string({ unit: "grapheme", maxLength: 6_000 }),
    }),
  }),
);

/** protobuf.js leaves out what is empty, and the encoder may write it. */
const whole = { defaults: true, keepCase: true, longs: Number, includeDirs: ["protos"] };
const readWhole = readerOfAll();

function readerOfAll(): (message: Buffer) => object {
  const definition = loadSync("envoy/service/ext_proc/v3/external_processor.proto", whole);
  const service = definition["envoy.service.ext_proc.v3.ExternalProcessor"];
  const method = service !== undefined && "Process" in service ? service["Process"] : undefined;
  return (method as unknown as Reference).responseDeserialize;
}

describe("AnswerEncoder", () => {
  const encoder = new AnswerEncoder();

  it("writes what protobuf.js writes, as a gRPC message", () => {
    fc.assert(
      fc.property(answer, (each) => {
        const { bytes: written, start, end, tail } = encoder.encode(each);
        const message = Buffer.concat([written.subarray(start, end), tail]);
        expect(message[0]).toBe(0);
        expect(message.readUInt32BE(1)).toBe(message.length - 5);
        const expected = reference.responseSerialize(responseOf(each));
        expect(readWhole(message.subarray(5))).toEqual(readWhole(expected));
      }),
      { numRuns: 2_000 },
    );
  });

  it("hands a body on without a copy", () => {
    const sent = Buffer.alloc(10_000, "x");
    const { tail } = encoder.encode({
      kind: "response-body",
      piece: { body: sent, endOfStream: true },
    });
    expect(tail).toBe(sent);
  });
});
