import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorResponseOf } from "../../../core/errors.ts";
import type { ProcessingRequest__Output } from "./generated/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { Value__Output } from "./generated/google/protobuf/Value.ts";
import { messageOf, responseOf } from "./wire.ts";

const header = (key: string, raw: string) => ({ key, raw_value: Buffer.from(raw, "latin1") });

type Headers = { key?: string; value?: string; raw_value?: Buffer }[];
type RequestParts = Omit<Partial<ProcessingRequest__Output>, "request_headers">;

const requestHeaders = (headers: Headers, more: RequestParts = {}): ProcessingRequest__Output => ({
  request: "request_headers",
  request_headers: { headers: { headers } },
  ...more,
});

const withHint = (fields: Record<string, Value__Output>) =>
  headersRead(
    messageOf(
      requestHeaders([], {
        metadata_context: { filter_metadata: { "envoy.lb.subset_hint": { fields } } },
      }),
    ),
  ).subset;

function headersRead(message: ReturnType<typeof messageOf>) {
  if (message?.kind !== "request-headers") throw new Error("not request headers");
  return message;
}

describe("ext_proc messages on the wire", () => {
  it("reads either field of a header value, raw_value first", () => {
    const { headers } = headersRead(
      messageOf(
        requestHeaders([
          header(":path", "/v1"),
          { key: "cooked", value: "plain" },
          { key: "both", value: "cooked", raw_value: Buffer.from("raw") },
          { key: "empty" },
        ]),
      ),
    );
    expect(headers.get(":path")).toBe("/v1");
    expect(headers.get("cooked")).toBe("plain");
    expect(headers.get("both")).toBe("raw");
    expect(headers.get("empty")).toBe("");
    expect(headers.get("missing")).toBeUndefined();
  });

  it.each([
    ["ASCII", Buffer.from("llama-3"), "llama-3"],
    ["UTF-8 of two bytes", Buffer.from("modèle"), "modèle"],
    ["UTF-8 of three bytes", Buffer.from("模型-7b"), "模型-7b"],
    ["UTF-8 of four bytes", Buffer.from("tenant-🦙"), "tenant-🦙"],
    ["latin1", Buffer.from("modèle", "latin1"), "modèle"],
    ["UTF-8 that is cut", Buffer.from("é").subarray(0, 1), "Ã"],
    ["an overlong form", Buffer.from([0xc0, 0xaf]), "\u00c0\u00af"],
    ["a lone surrogate", Buffer.from([0xed, 0xa0, 0x80]), "\u00ed\u00a0\u0080"],
  ])("reads a value of %s", (_, raw, text) => {
    for (const value of [{ raw_value: raw }, { value: text }]) {
      const { headers } = headersRead(messageOf(requestHeaders([{ key: "x", ...value }])));
      expect(headers.get("x")).toBe(text);
    }
  });

  it("writes values as UTF-8, and writes what it read", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (value) => {
        const { response_headers: answer } = responseOf({
          kind: "response-headers",
          set: [["x", value]],
          removed: [],
        });
        const raw = answer?.response?.header_mutation?.set_headers?.[0]?.header?.raw_value;
        expect(raw).toEqual(Buffer.from(value));
        const { headers } = headersRead(
          messageOf(requestHeaders([{ key: "x", raw_value: Buffer.from(value) }])),
        );
        expect(headers.get("x")).toBe(value);
      }),
    );
  });

  it.each([
    ["a list", { listValue: { values: [{ stringValue: "a:1" }, { stringValue: "b:2" }] } }],
    ["a string with commas", { stringValue: "a:1, b:2" }],
    ["a list of strings with commas", { listValue: { values: [{ stringValue: "a:1,b:2" }] } }],
    ["a list with empty entries", { listValue: { values: [{ stringValue: "a:1,,b:2," }] } }],
  ])("reads a subset hint that is %s", (_, hint) => {
    const { subset } = headersRead(
      messageOf(
        requestHeaders([], {
          metadata_context: {
            filter_metadata: {
              "envoy.lb.subset_hint": {
                fields: { "x-gateway-destination-endpoint-subset": hint },
              },
            },
          },
        }),
      ),
    );
    expect(subset).toEqual(["a:1", "b:2"]);
  });

  it("distinguishes an empty subset hint from a missing one", () => {
    expect(withHint({ "x-gateway-destination-endpoint-subset": { listValue: {} } })).toEqual([]);
    expect(withHint({ other: { stringValue: "a:1" } })).toBeUndefined();
  });

  it.each([
    [0, "none"],
    [1, "streamed"],
    [2, "buffered"],
    [3, "buffered-partial"],
    [4, "full-duplex"],
    [99, "full-duplex"],
  ] as const)("takes body mode %i for %s", (number, mode) => {
    const { config } = headersRead(
      messageOf(
        requestHeaders([], {
          // A proxy newer than this build may send a number that the type does not know.
          protocol_config: { request_body_mode: number as 0, response_body_mode: number as 0 },
        }),
      ),
    );
    expect(config).toEqual({ requestBody: mode, responseBody: mode, sendsBodyAtOnce: false });
  });

  it("has no configuration if the proxy announced none", () => {
    expect(headersRead(messageOf(requestHeaders([]))).config).toBeUndefined();
  });

  it("reads which endpoint served", () => {
    const message = messageOf({
      request: "response_headers",
      response_headers: { headers: { headers: [header(":status", "200")] }, end_of_stream: true },
      metadata_context: {
        filter_metadata: {
          "envoy.lb": {
            fields: { "x-gateway-destination-endpoint-served": { stringValue: "10.0.0.1:8000" } },
          },
        },
      },
    });
    expect(message).toMatchObject({ servedBy: "10.0.0.1:8000", endOfStream: true });
  });

  it("ignores an unknown kind of message", () => {
    expect(messageOf({})).toBeUndefined();
  });

  it("writes the pick as a header that overwrites and as the same metadata", () => {
    const response = responseOf({
      kind: "request-headers",
      pick: { destination: "10.0.0.1:8000", headers: [], removed: [], bodyBytes: undefined },
    });
    expect(response.request_headers?.response).toEqual({
      clear_route_cache: true,
      header_mutation: {
        set_headers: [
          {
            header: {
              key: "x-gateway-destination-endpoint",
              raw_value: Buffer.from("10.0.0.1:8000"),
            },
            append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
          },
        ],
      },
    });
    expect(response.dynamic_metadata).toEqual({
      fields: {
        "envoy.lb": {
          structValue: {
            fields: { "x-gateway-destination-endpoint": { stringValue: "10.0.0.1:8000" } },
          },
        },
      },
    });
  });

  it("sets further headers, and the length of a body that was changed", () => {
    const response = responseOf({
      kind: "request-headers",
      pick: {
        destination: "10.0.0.1:8000",
        headers: [["x-a", "1"]],
        removed: ["x-b"],
        bodyBytes: 12,
      },
    });
    const set = response.request_headers?.response?.header_mutation?.set_headers;
    expect(set?.map((each) => [each.header?.key, String(each.header?.raw_value)])).toEqual([
      ["x-gateway-destination-endpoint", "10.0.0.1:8000"],
      ["x-a", "1"],
      ["content-length", "12"],
    ]);
    expect(response.request_headers?.response?.header_mutation?.remove_headers).toEqual(["x-b"]);
  });

  it("changes a response's head only if there are changes", () => {
    expect(responseOf({ kind: "response-headers", set: [], removed: [] })).toEqual({
      response_headers: { response: {} },
    });
    const { response_headers: changed } = responseOf({
      kind: "response-headers",
      set: [["x-session-token", "abc"]],
      removed: ["content-length"],
    });
    expect(changed?.response?.header_mutation).toMatchObject({
      set_headers: [{ header: { key: "x-session-token", raw_value: Buffer.from("abc") } }],
      remove_headers: ["content-length"],
    });
  });

  it("replaces a whole body that is not in full duplex", () => {
    const replaced = Buffer.from("new");
    const mutation = { response: { body_mutation: { body: replaced } } };
    expect(responseOf({ kind: "request-body", piece: { replaced }, pick: undefined })).toEqual({
      request_body: mutation,
    });
    expect(responseOf({ kind: "response-body", piece: { replaced } })).toEqual({
      response_body: mutation,
    });
  });

  it("writes pieces of a body as streamed responses, without a copy", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (body, endOfStream) => {
        const piece = { body, endOfStream };
        const request = responseOf({ kind: "request-body", piece, pick: undefined });
        const response = responseOf({ kind: "response-body", piece });
        const streamed = { streamed_response: { body, end_of_stream: endOfStream } };
        expect(request).toEqual({ request_body: { response: { body_mutation: streamed } } });
        expect(response).toEqual({ response_body: { response: { body_mutation: streamed } } });
      }),
    );
  });

  it("answers in the engine's place with status, headers and body", () => {
    const refusal = { code: "no_endpoints", message: "no model server is ready" } as const;
    const { immediate_response: answer } = responseOf({
      kind: "immediate",
      response: errorResponseOf(refusal, { id: "r-1", path: "/v1/completions" }),
    });
    expect(answer?.status).toEqual({ code: 503 });
    expect(answer?.headers?.set_headers?.map(({ header: set }) => set?.key)).toEqual([
      "content-type",
      "x-request-id",
      "retry-after",
      "x-llm-d-request-dropped-reason",
    ]);
    expect(JSON.parse(String(answer?.body))).toMatchObject({ error: { code: "no_endpoints" } });
  });
});
