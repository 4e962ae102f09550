import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestHead } from "../../core/request.ts";
import { createRequestReader } from "./request-reader.ts";
import { requestParsers } from "./request-parsers.ts";

const { parse } = createRequestReader(requestParsers, { usesModel: () => true });

const headOf = (path: string, headers: Record<string, string>): RequestHead => ({
  ...{ id: "r1", method: "POST", path, subset: undefined },
  headers: new Map(Object.entries(headers)),
});
const jsonHead = (path: string, more: Record<string, string> = {}) =>
  headOf(path, { "content-type": "application/json", ...more });
const formHead = (path: string, contentType = "multipart/form-data; boundary=b") =>
  headOf(path, { "content-type": contentType });

/** Result of reading a request, and its body after a change to the model `new`. */
function read(head: RequestHead, body: string | Uint8Array) {
  const bytes = Buffer.from(body);
  const result = parse(head, bytes, 64 * 1_024 * 1_024);
  if (result.kind === "refused") return { refused: result.refusal.message };
  const { dialect, model, targetModel, isStreaming, bodyBytes } = result.request;
  expect(targetModel).toBe(model);
  expect(bodyBytes).toBe(bytes.byteLength);
  const changed = result.withModel?.("new-模型");
  return {
    ...{ dialect, model, isStreaming, unread: result.unread },
    changed: changed && Buffer.from(changed.body).toString("latin1"),
    removed: changed?.removedHeaders,
  };
}

const asLatin1 = (text: string) => Buffer.from(text).toString("latin1");
const newModel = asLatin1("new-模型");

const rerankBody = (model: string) =>
  ` {"query":"\\u00e4","n":12345678901234567890 ,"model" : "${model}","stream":true,"documents":[{"model":"old"}]} `;

const part = (name: string, value: string) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

describe("a JSON body of an unknown API", () => {
  it.each([
    "/v1/rerank",
    "/v2/rerank",
    "/rerank?x=1",
    "/v1/score",
    "/score",
    "/tokenize",
    "/detokenize/",
    "/pooling",
    "/classify",
    "/v1/audio/speech",
    "/v1/responses/resp_1/cancel",
    "/team/v1/anything/new",
    "/",
  ])("has its model read at %s, and only that changed", (path) => {
    expect(read(jsonHead(path), rerankBody("old"))).toEqual({
      ...{ dialect: "json", model: "old", isStreaming: true, unread: undefined },
      changed: asLatin1(rerankBody("new-模型")),
      removed: [],
    });
  });

  it.each([
    ["/v1/rerank", '{"query":"q"}', `{"model":"${newModel}","query":"q"}`],
    ["/v1/anything", '{"model":null,"a":1}', `{"model":"${newModel}","a":1}`],
    ["/v1/anything", '{"model":""}', `{"model":"${newModel}"}`],
  ])("gets a model at %s if it is %s", (path, body, changed) => {
    expect(read(jsonHead(path), body)).toMatchObject({ dialect: "json", model: "", changed });
  });

  it.each([
    ["/v1/load_lora_adapter", '{"lora_name":"a"}', "no_model"],
    ["/v1/anything", '{"__proto__":{"model":"m"}}', "no_model"],
    ["/v1/anything", '{"a":{"model":"m"}}', "no_model"],
    ["/v1/rerank", '{"model":7}', undefined],
    ["/v1/rerank", '["model"]', undefined],
    ["/v1/rerank", '{"model":"m"', "malformed"],
    ["/v1/rerank", '{"model":"m","t":NaN}', "malformed"],
    ["/v1/rerank", '{"model":"m",}', "malformed"],
    ["/v1/rerank", "", undefined],
  ])("passes at %s as %s", (path, body, unread) => {
    expect(read(jsonHead(path), body)).toMatchObject({
      ...{ dialect: "passthrough", model: "", changed: undefined, unread },
    });
  });
});

describe("a body of a client's default type", () => {
  it.each(["text/plain", "application/x-www-form-urlencoded; charset=utf-8", ""])(
    "of type %j is read if it is a JSON object, and passes otherwise",
    (contentType) => {
      const head = headOf("/v1/rerank", { "content-type": contentType });
      expect(read(head, rerankBody("old"))).toMatchObject({ dialect: "json", model: "old" });
      for (const body of ["model=old", "{x}", ""]) {
        expect(read(head, body)).toMatchObject({ dialect: "passthrough", unread: undefined });
      }
    },
  );
});

describe("a compressed JSON body", () => {
  const chat = '{"model":"old","messages":[{"role":"user","content":"hi"}],"stream":true}';
  const codings: [string, Buffer][] = [
    ["gzip", gzipSync(chat)],
    ["deflate", deflateSync(chat)],
    ["br", brotliCompressSync(chat)],
    ["zstd", zstdCompressSync(chat)],
    ["br, gzip", gzipSync(brotliCompressSync(chat))],
  ];

  it.each(codings)(
    "in %s is read, and is sent without its coding if it is changed",
    (coding, body) => {
      const head = (path: string) => jsonHead(path, { "content-encoding": coding });
      const changed = chat.replace("old", newModel);
      const read1 = { model: "old", isStreaming: true, changed, removed: ["content-encoding"] };
      expect(read(head("/v1/chat/completions"), body)).toMatchObject({ dialect: "chat", ...read1 });
      expect(read(head("/v1/rerank"), body)).toMatchObject({ dialect: "json", ...read1 });
    },
  );

  it.each([
    ["gzip", Buffer.from(chat), "encoding"],
    ["gzip", gzipSync(chat).subarray(0, 30), "encoding"],
    ["compress", Buffer.from(chat), "encoding"],
    ["gzip", gzipSync(Buffer.alloc(8_000_000, 0x20)), "too_long"],
    ["br", brotliCompressSync(Buffer.alloc(8_000_000, 0x20)), "too_long"],
  ])("in %s that cannot be decoded passes unchanged", (coding, body, unread) => {
    for (const path of ["/v1/chat/completions", "/v1/rerank"]) {
      const head = jsonHead(path, { "content-encoding": coding });
      expect(read(head, body)).toMatchObject({
        dialect: "passthrough",
        unread,
        changed: undefined,
      });
    }
  });

  it("is refused like any other once it is decoded", () => {
    const head = jsonHead("/v1/chat/completions", { "content-encoding": "gzip" });
    expect(read(head, gzipSync("[]"))).toEqual({ refused: "request body must be a JSON object" });
  });
});

describe("a form", () => {
  const file =
    '--b\r\nContent-Disposition: form-data; name="file"; filename="model"\r\nContent-Type: audio/wav\r\n\r\nRIFF\u0000\r\n--x\r\n';
  const end = "--b--\r\n";

  it.each([
    ["before the file", (model: string) => part("model", model) + file + end],
    ["after the file", (model: string) => file + part("model", model) + end],
    ["twice", (model: string) => part("model", model) + file + part("model", model) + end],
  ])("has its model %s read, and only that changed", (_, body) => {
    for (const path of ["/v1/audio/transcriptions", "/v1/images/edits", "/v1/videos"]) {
      expect(read(formHead(path), body("old"))).toEqual({
        ...{ dialect: "form", model: "old", isStreaming: false, unread: undefined },
        changed: asLatin1(body("new-模型")),
        removed: [],
      });
    }
  });

  it.each([
    'multipart/form-data; boundary="b"',
    "multipart/form-data;boundary=b",
    "Multipart/Form-Data; charset=utf-8; Boundary=b",
    'multipart/form-data; boundary="b"; charset="utf-8"',
  ])("is read with the type %s", (contentType) => {
    const body = part("model", "old") + end;
    expect(read(formHead("/v1/videos", contentType), body)).toMatchObject({ model: "old" });
  });

  it("is read with a boundary in quotes that has blanks", () => {
    const body = (part("model", "old") + end).replaceAll("--b", "--a b:c");
    const head = formHead("/v1/videos", 'multipart/form-data; boundary="a b:c"');
    expect(read(head, body)).toMatchObject({ model: "old" });
  });

  it.each(["true", "True", "1"])("streams if its field says %s", (stream) => {
    const body = part("stream", stream) + part("model", "old") + end;
    expect(read(formHead("/v1/audio/transcriptions"), body)).toMatchObject({ isStreaming: true });
  });

  it("that has no model gets one at a path that takes one", () => {
    const body = `preamble\r\n${file}${end}`;
    expect(read(formHead("/v1/audio/translations"), body)).toMatchObject({
      ...{ dialect: "form", model: "" },
      changed: `preamble\r\n${asLatin1(part("model", "new-模型"))}${file}${end}`,
    });
    expect(read(formHead("/v1/files"), body)).toMatchObject({
      ...{ dialect: "passthrough", unread: "no_model", changed: undefined },
    });
  });

  it.each([
    ["bare line feeds", (part("model", "old") + end).replaceAll("\r\n", "\n")],
    ["no end", part("model", "old")],
    ["another boundary", (part("model", "old") + end).replaceAll("--b", "--c")],
  ])("passes with %s, and the reason is recorded", (_, body) => {
    expect(read(formHead("/v1/audio/transcriptions"), body)).toMatchObject({
      ...{ dialect: "passthrough", unread: "malformed", changed: undefined },
    });
  });

  it.each(["multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-data; boundary="])(
    "passes with the type %s",
    (contentType) => {
      const body = part("model", "old") + end;
      expect(read(formHead("/v1/videos", contentType), body)).toMatchObject({
        ...{ dialect: "passthrough", unread: undefined },
      });
    },
  );

  it("keeps every byte except the model's, for any files", () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.string({ unit: "grapheme" }),
        fc.boolean(),
        (bytes, model, isFirst) => {
          const name = model.replaceAll(/[\r\n]/gu, " ");
          const upload = Buffer.concat([
            Buffer.from(file.slice(0, -2)),
            bytes,
            Buffer.from("\r\n"),
          ]);
          const bodyFor = (value: string) =>
            Buffer.concat([
              isFirst ? upload : Buffer.from(part("model", value)),
              isFirst ? Buffer.from(part("model", value)) : upload,
              Buffer.from(end),
            ]);
          expect(read(formHead("/v1/videos"), bodyFor(name))).toMatchObject({
            model: name,
            changed: bodyFor("new-模型").toString("latin1"),
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});
