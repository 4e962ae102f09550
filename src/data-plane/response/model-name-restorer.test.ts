import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createModelNameRestorer, type ModelNameRestorer } from "./model-name-restorer.ts";

const sseHeaders = { contentType: "text/event-stream", contentEncoding: undefined };
const jsonHeaders = { contentType: "application/json", contentEncoding: undefined };

type Headers = typeof sseHeaders | typeof jsonHeaders;

const modelNames = { target: "org/base", client: "chat" };

function restorerOf(headers: Headers, names = modelNames): ModelNameRestorer {
  const restorer = createModelNameRestorer({ ...headers, ...names });
  if (restorer === undefined || restorer === "compressed")
    throw new Error("nothing restores the name in such a body");
  return restorer;
}

/** Output for a body that arrives in chunks, cut after each of `cuts`. */
function restored(
  restorer: ModelNameRestorer,
  body: string | Uint8Array,
  cuts: readonly number[] = [],
): Buffer {
  const bytes = Buffer.from(body);
  const out: Buffer[] = [];
  let start = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.byteLength]) {
    const chunk = Buffer.from(bytes.subarray(start, cut));
    out.push(Buffer.from(restorer.push(chunk)));
    // Wiped after the call, because held-back bytes must not be a view of the chunk.
    chunk.fill(0x21);
    start = Math.max(start, cut);
  }
  out.push(Buffer.from(restorer.end()));
  expect(restorer.end()).toHaveLength(0);
  return Buffer.concat(out);
}

const everyByteOf = (body: string) =>
  Array.from({ length: Buffer.byteLength(body) }, (_, index) => index);

describe.each([
  ["a JSON body", jsonHeaders, (json: string) => json],
  ["an event", sseHeaders, (json: string) => `event: x\ndata: ${json}\n\n`],
  [
    "an event of several lines",
    sseHeaders,
    (json: string) => `data:${json.replaceAll(",", "\r\ndata: ,")}\r\n\r\n`,
  ],
  [
    "JSON lines",
    { contentType: "application/x-ndjson", contentEncoding: undefined },
    (json: string) => `{"model":"x"}\n${json}\n`,
  ],
])("a name restorer of %s", (_, headers, bodyOf) => {
  it.each([
    ["at the top", '{"id":1,"model":"org/base","b":"c"}', '{"id":1,"model":"chat","b":"c"}'],
    ["with white space", '{ "model" :\t"org/base" , "b":1}', '{ "model" :\t"chat" , "b":1}'],
    ["alone", '{"model":"org/base"}', '{"model":"chat"}'],
    [
      "in a response",
      '{"response":{"a":{},"model":"org/base"}}',
      '{"response":{"a":{},"model":"chat"}}',
    ],
    [
      "in a message",
      '{"message":{"model":"org/base"},"b":[]}',
      '{"message":{"model":"chat"},"b":[]}',
    ],
    ["escaped", '{"model":"org\\/b\\u0061se"}', '{"model":"chat"}'],
    ["under an escaped key", '{"mod\\u0065l":"org/base"}', '{"mod\\u0065l":"chat"}'],
    ["twice", '{"model":"org/base","model":"org/base"}', '{"model":"chat","model":"chat"}'],
    [
      "at all places",
      '{"message":{"model":"org/base"},"model":"org/base","response":{"model":"org/base"}}',
      '{"message":{"model":"chat"},"model":"chat","response":{"model":"chat"}}',
    ],
    [
      "after brackets in a string",
      '{"a":"}{[\\"","model":"org/base"}',
      '{"a":"}{[\\"","model":"chat"}',
    ],
    ["after a backslash", '{"a":"\\\\","model":"org/base"}', '{"a":"\\\\","model":"chat"}'],
    [
      "after nested ones",
      '{"a":[{"model":1}],"model":"org/base"}',
      '{"a":[{"model":1}],"model":"chat"}',
    ],
  ])("restores a name %s", (__, json, expected) => {
    const body = bodyOf(json);
    expect(restored(restorerOf(headers), body).toString()).toBe(bodyOf(expected));
    expect(restored(restorerOf(headers), body, everyByteOf(body)).toString()).toBe(
      bodyOf(expected),
    );
  });

  it.each([
    ["another name", '{"model":"org/bas"}'],
    ["a longer name", '{"model":"org/base2"}'],
    ["a much longer name", `{"model":"${"org/base".repeat(20)}"}`],
    ["a name in capitals", '{"model":"ORG/BASE"}'],
    ["a name escaped wrongly", '{"model":"org\\xbase"}'],
    ["no string", '{"model":["org/base"],"a":null}'],
    ["an object", '{"model":{"model":"org/base"}}'],
    ["a name deeper in", '{"a":{"model":"org/base"}}'],
    ["a name deeper in a message", '{"message":{"content":[{"model":"org/base"}]}}'],
    ["a name in a message's message", '{"message":{"message":{"model":"org/base"}}}'],
    ["a name in a list of responses", '{"response":[{"model":"org/base"}]}'],
    ["a name in a list", '[{"model":"org/base"}]'],
    ["the text of such a member", '{"a":"\\"model\\":\\"org/base\\"","b":"model","c":"org/base"}'],
    ["the name in other members", '{"models":"org/base","mode":"org/base","":"org/base"}'],
    ["a bare string", '"org/base"'],
    ["what follows the document", '{} {"model":"org/base"}'],
    ["[DONE]", "[DONE]"],
  ])("leaves %s unchanged", (__, json) => {
    const body = bodyOf(json);
    expect(restored(restorerOf(headers), body).toString()).toBe(body);
    expect(restored(restorerOf(headers), body, everyByteOf(body)).toString()).toBe(body);
  });

  it("passes unchanged chunks without a copy", () => {
    const chunk = Buffer.from(bodyOf('{"model":"other","choices":[]}'));
    const passed = restorerOf(headers).push(chunk);
    expect([passed.buffer, passed.byteOffset]).toEqual([chunk.buffer, chunk.byteOffset]);
  });

  it("takes a plain Uint8Array", () => {
    const bytes = new TextEncoder().encode(`xx${bodyOf('{"model":"org/base"}')}`).subarray(2);
    expect(restored(restorerOf(headers), bytes).toString()).toBe(bodyOf('{"model":"chat"}'));
  });

  it("returns held-back bytes if the body ends within a name", () => {
    const restorer = restorerOf(headers);
    const body = bodyOf('{"model":"org/base"}');
    const begun = body.slice(0, body.indexOf("base"));
    expect(restored(restorer, begun).toString()).toBe(begun);
  });

  it("writes any name as JSON", () => {
    const names = { target: 'a"\\é\n', client: 'ü"\u2028' };
    const [body = "", expected] = [names.target, names.client].map((model) =>
      bodyOf(JSON.stringify({ model })),
    );
    expect(restored(restorerOf(headers, names), body, everyByteOf(body)).toString()).toBe(expected);
  });
});

/** Values with models in keys and text. */
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    fc.jsonValue({ maxDepth: 1, noUnicodeString: false }),
    fc.constantFrom("org/base", "org/", "chat", "model", '"model":"org/base"', "\\", "}"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("model", "message", "response", "a"), tie("value"), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
}));

const anyDocument = fc.dictionary(
  fc.oneof(fc.constantFrom("model", "message", "response", "choices"), fc.string()),
  anyValue,
  { maxKeys: 5, noNullPrototype: true },
);

const withNameAtModel = (holder: object) =>
  Object.fromEntries(
    Object.entries(holder).map(([key, value]) => [
      key,
      key === "model" && value === modelNames.target ? modelNames.client : value,
    ]),
  );

/** The same document with the client's name at the places of a model, by an independent method. */
function withClientName(document: Record<string, unknown>): unknown {
  return Object.fromEntries(
    Object.entries(withNameAtModel(document)).map(([key, value]) => {
      const isHolder = key === "message" || key === "response";
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      return [key, isHolder && isObject ? withNameAtModel(value) : value];
    }),
  );
}

const cuts = fc.array(fc.nat(400), { maxLength: 20 });
const indents = fc.constantFrom(undefined, "\t");

describe("a name restorer", () => {
  it("changes only those names in a JSON body, for any chunks", () => {
    fc.assert(
      fc.property(anyDocument, indents, cuts, (document, indent, at) => {
        const body = JSON.stringify(document, undefined, indent);
        const expected = JSON.stringify(withClientName(document), undefined, indent);
        expect(restored(restorerOf(jsonHeaders), body, at).toString()).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it("changes only those names in an event stream, for any chunks", () => {
    const other = fc.constantFrom(
      ": ping",
      "event: model",
      "data: [DONE]",
      "data",
      "dat: x",
      'other: {"model":"org/base"}',
    );
    const event = fc.record({ document: anyDocument, others: fc.array(other, { maxLength: 2 }) });
    const format = fc.record({
      events: fc.array(event, { maxLength: 4 }),
      mark: fc.constantFrom("", "\ufeff"),
      lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
      indent: indents,
    });
    fc.assert(
      fc.property(format, cuts, ({ events, mark, lineEnd, indent }, at) => {
        const streamOf = (shown: (document: Record<string, unknown>) => unknown) =>
          mark +
          events
            .map(({ document, others }) => {
              const lines = JSON.stringify(shown(document), undefined, indent).split("\n");
              // Each of the others is a separate event, so the document is one too.
              const before = others.flatMap((line) => [line, ""]);
              return [...before, ...lines.map((line) => `data: ${line}`), "", ""].join(lineEnd);
            })
            .join("");
        const stream = streamOf((document) => document);
        expect(restored(restorerOf(sseHeaders), stream, at).toString()).toBe(
          streamOf(withClientName),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([sseHeaders, jsonHeaders])(
    "treats any garbage the same for any chunks, as $contentType",
    (headers) => {
      const soup = fc
        .array(
          fc.constantFrom(
            ...Array.from('{}[]:,"\\ \n\r'),
            "data:",
            "data: {",
            '"model":',
            '"model":"org/base"',
            '"org/base"',
            "\\u006f",
            "\n\n",
            '"message":{',
            "\ufeff",
          ),
        )
        .map((pieces) => Buffer.from(pieces.join("")));
      fc.assert(
        fc.property(fc.oneof(soup, fc.uint8Array({ maxLength: 60 })), cuts, (bytes, at) => {
          const whole = restored(restorerOf(headers), bytes);
          expect(restored(restorerOf(headers), bytes, at)).toEqual(whole);
          // The client's name is not in the garbage, so changes can be reversed.
          const undone = whole.toString("latin1").replaceAll('"chat"', '"org/base"');
          expect(undone).toBe(Buffer.from(bytes).toString("latin1"));
        }),
        { numRuns: 3_000 },
      );
    },
  );

  it.each([
    [sseHeaders, 'data: {"model":"'],
    [sseHeaders, 'data: {"a":"'],
    [sseHeaders, "data: "],
    [sseHeaders, ""],
    [jsonHeaders, '{"model":"'],
    [jsonHeaders, '{"a":"'],
    [jsonHeaders, "[1,"],
  ])("holds back no more than a name could have, of %j beginning with %j", (headers, opening) => {
    const restorer = restorerOf(headers);
    let pushed = 0;
    let passed = 0;
    for (const chunk of [opening, ...Array.from("x".repeat(100)), "y".repeat(100_000)]) {
      pushed += chunk.length;
      passed += restorer.push(Buffer.from(chunk)).byteLength;
      // Eight letters of the target, each escaped, and two quotes.
      expect(pushed - passed).toBeLessThanOrEqual(8 * 6 + 2);
    }
    expect(pushed).toBe(passed);
  });

  it("passes each event with its chunk", () => {
    const restorer = restorerOf(sseHeaders);
    const event = 'data: {"model":"org/base","choices":[{"delta":{"content":"hi"}}]}\n\n';
    const expected = event.replace("org/base", "chat");
    for (let round = 0; round < 3; round += 1) {
      expect(Buffer.from(restorer.push(Buffer.from(event))).toString()).toBe(expected);
    }
  });

  it.each([
    'data: {"model":"org/\n\n',
    'data: {"a":"\ndata: ","model":"org/base"}\n\n',
    'data: {"a":"\\\n\n',
    'data: {"a":{"b":[\n\n',
    "data: }\n\n",
  ])("continues with the event after %j", (broken) => {
    const good = 'data: {"":"x","model":"org/base"}\n\n';
    expect(restored(restorerOf(sseHeaders), broken + good).toString()).toBe(
      broken + good.replace("org/base", "chat"),
    );
  });

  it("skips a byte order mark only at the beginning of the stream", () => {
    const event = '\ufeffdata: {"model":"org/base"}\n\n';
    expect(restored(restorerOf(sseHeaders), event + event).toString()).toBe(
      event.replace("org/base", "chat") + event,
    );
  });
});

describe("createModelNameRestorer", () => {
  it.each([
    { ...jsonHeaders, contentEncoding: "gzip" },
    { ...sseHeaders, contentEncoding: "br" },
    { ...sseHeaders, contentEncoding: "a, b" },
  ])("cannot restore a name in %j", (headers) => {
    expect(createModelNameRestorer({ ...headers, ...modelNames })).toBe("compressed");
  });

  it.each([
    ["a compressed image", { contentType: "image/png", contentEncoding: "gzip" }, modelNames],
    ["plain text", { ...jsonHeaders, contentType: "text/plain" }, modelNames],
    ["a body of no type", { ...jsonHeaders, contentType: undefined }, modelNames],
    ["a client that named no model", jsonHeaders, { target: "a", client: "" }],
    ["a client that named this model", jsonHeaders, { target: "a", client: "a" }],
  ])("has no name to restore for %s", (_, headers, names) => {
    expect(createModelNameRestorer({ ...headers, ...names })).toBeUndefined();
  });

  it.each([
    [{ contentType: "Text/Event-Stream; charset=utf-8", contentEncoding: "" }],
    [{ contentType: "application/problem+json", contentEncoding: "identity" }],
  ])("restores a body of %j", (headers) => {
    expect(createModelNameRestorer({ ...headers, ...modelNames })).toBeDefined();
  });
});
