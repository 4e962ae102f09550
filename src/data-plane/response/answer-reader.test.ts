import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TokenUsage } from "../../core/usage.ts";
import {
  createAnswerReader,
  type CountingReader,
  type AnswerReaderOptions,
} from "./answer-reader.ts";

const sseHeaders: AnswerReaderOptions = {
  contentType: "text/event-stream",
  contentEncoding: undefined,
};
const jsonHeaders: AnswerReaderOptions = {
  contentType: "application/json",
  contentEncoding: undefined,
};

/** Results of a reader for a body that arrives in chunks, cut after each of `cuts`. */
function readingOf(
  options: AnswerReaderOptions,
  body: string | Uint8Array,
  cuts: readonly number[] = [],
): Pick<CountingReader, "usage" | "events"> {
  const bytes = Buffer.from(body);
  const reader = createAnswerReader(options);
  let start = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.byteLength]) {
    // The reader gets a copy that is wiped after the call, because it must not keep a chunk.
    const chunk = Buffer.from(bytes.subarray(start, cut));
    reader.push(chunk);
    chunk.fill(0x21);
    start = Math.max(start, cut);
  }
  reader.end(true);
  return { usage: reader.usage, events: reader.events };
}

const chunkOf = (usage: unknown) =>
  `data: ${JSON.stringify({ id: "c", choices: [{ delta: { content: "é" } }], usage })}\n\n`;
const counts = (prompt: number, output: number) => ({
  prompt_tokens: prompt,
  completion_tokens: output,
});
const usage = (promptTokens: number, outputTokens: number, cachedTokens?: number) => ({
  promptTokens,
  outputTokens,
  cachedTokens,
});

const responsesStream = [
  'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}\n\n',
  'event: response.output_text.delta\ndata: {"delta":"hi"}\n\n',
  'event: response.completed\ndata: {"type":"response.completed","response":{"usage":',
  '{"input_tokens":9,"input_tokens_details":{"cached_tokens":8},"output_tokens":2}}}\n\n',
].join("");

const anthropicStream = [
  'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":',
  '{"input_tokens":5,"cache_creation_input_tokens":1,"cache_read_input_tokens":3,"output_tokens":1}}}',
  '\n\nevent: ping\ndata: {"type":"ping"}\n\nevent: content_block_delta\n',
  'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"usage"}}\n\n',
  'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":7}}\n\n',
].join("");

/** One event of SGLang's native API; `text` is the whole output so far. */
const sglangChunk = (text: string, metaInfo: unknown) =>
  `data: ${JSON.stringify({ text, meta_info: metaInfo, index: 0 })}\n\n`;
const metaInfo = (output: number, id = "r0") => ({
  id,
  finish_reason: { type: "stop", matched: '"}' },
  prompt_tokens: 9,
  completion_tokens: output,
  cached_tokens: 4,
});

describe("a usage reader of events", () => {
  it.for<[string, string, TokenUsage | undefined, number]>([
    ["none", chunkOf(undefined), undefined, 1],
    ["null until the last", chunkOf(null) + chunkOf(counts(9, 2)), usage(9, 2), 2],
    ["running totals", chunkOf(counts(9, 1)) + chunkOf(counts(9, 2)), usage(9, 2), 2],
    ["garbage after a good one", chunkOf(counts(9, 2)) + chunkOf(counts(-9, 3)), usage(9, 2), 2],
    ["a null after a good one", chunkOf(counts(9, 2)) + chunkOf(null), usage(9, 2), 2],
    ["[DONE], which is no event", `${chunkOf(counts(9, 2))}data: [DONE]\n\n`, usage(9, 2), 1],
    ["the Responses API", responsesStream, usage(9, 2, 8), 3],
    ["Anthropic's API", anthropicStream, usage(9, 7, 3), 4],
    [
      "SGLang's own API",
      `${sglangChunk("a", metaInfo(1))}${sglangChunk('a{"', metaInfo(2))}data: [DONE]\n\n`,
      usage(9, 2, 4),
      2,
    ],
    [
      "a batch in SGLang's own API",
      [metaInfo(1), metaInfo(1, "r1"), metaInfo(3)].map((each) => sglangChunk("a", each)).join(""),
      // Of the first prompt 3, of the other 1.
      usage(18, 4, 8),
      3,
    ],
    [
      "a meta_info that is cut off",
      `${sglangChunk("a", metaInfo(1))}data: {"meta_info":{"prompt_tokens":9,"a":{}\n\n`,
      usage(9, 1, 4),
      2,
    ],
    [
      "a meta_info that is nested",
      `data: {"a":{"meta_info":{"prompt_tokens":8}}}\n\n${chunkOf(counts(9, 2))}`,
      usage(9, 2),
      2,
    ],
    ["no object at meta_info", `data: {"meta_info":7}\n\n${chunkOf(counts(9, 2))}`, usage(9, 2), 2],
    ["no space after the colon", 'data:{"usage":{"prompt_tokens":9}}\n\n', usage(9, 0), 1],
    ["white space in the JSON", 'data: {"usage" :\t{"prompt_tokens":9}}\n\n', usage(9, 0), 1],
    ["CR LF", chunkOf(counts(9, 2)).replaceAll("\n", "\r\n"), usage(9, 2), 1],
    ["CR", chunkOf(counts(9, 2)).replaceAll("\n", "\r"), usage(9, 2), 1],
    ["a byte order mark", `\ufeff${chunkOf(counts(9, 2))}`, usage(9, 2), 1],
    [
      "several data lines",
      'data: {"usage":\ndata: {"prompt_tokens":9}\ndata: }\n\n',
      usage(9, 0),
      1,
    ],
    ["comments and fields", `: ping\n\nid: 1\nretry: 5\n${chunkOf(counts(9, 2))}`, usage(9, 2), 1],
    [
      "a field whose name begins alike",
      'database: {"usage":{"prompt_tokens":9}}\n\n',
      undefined,
      0,
    ],
    ["an empty data line", "data\n\ndata:\n\n", undefined, 2],
    ["no empty line at the end", chunkOf(counts(9, 2)).trimEnd(), usage(9, 2), 1],
    ["broken JSON", 'data: {"usage":{"prompt_tokens":9}\n\n', undefined, 1],
    [
      "text that speaks of usage",
      `data: ${JSON.stringify({ text: '"usage":{"prompt_tokens":1}', kind: "usage" })}\n\n`,
      undefined,
      1,
    ],
    ["a key that ends alike", 'data: {"my_usage":{"prompt_tokens":9}}\n\n', undefined, 1],
    ["a nested usage", 'data: {"choices":[{"usage":{"prompt_tokens":9}}]}\n\n', undefined, 1],
  ])("reads a stream with %s", ([, stream, expected, events]) => {
    expect(readingOf(sseHeaders, stream)).toEqual({ usage: expected, events });
    const everyByte = Array.from({ length: Buffer.byteLength(stream) }, (_, index) => index);
    expect(readingOf(sseHeaders, stream, everyByte)).toEqual({ usage: expected, events });
  });

  it("has the usage as soon as its event is complete", () => {
    const reader = createAnswerReader(sseHeaders);
    reader.push(Buffer.from(chunkOf(counts(9, 2)).slice(0, -1)));
    expect(reader.usage).toBeUndefined();
    reader.push(Buffer.from("\n"));
    expect(reader.usage).toEqual(usage(9, 2));
  });

  it("takes a plain Uint8Array", () => {
    const reader = createAnswerReader(sseHeaders);
    reader.push(new TextEncoder().encode(`xx${chunkOf(counts(9, 2))}`).subarray(2));
    expect(reader.usage).toEqual(usage(9, 2));
  });

  it("counts an event beyond the limit, does not read it, and reads the next", () => {
    const long = `data: {"usage":{"prompt_tokens":1},"pad":"${"x".repeat(200)}"}\n\n`;
    // 33 bytes, then 5 lines of 50: whole JSON at every cut, and too long in sum.
    const lines = `data: {"usage":{"prompt_tokens":1}}\n${`data: ${" ".repeat(50)}\n`.repeat(5)}\n`;
    const options = { ...sseHeaders, eventBytesMax: 128 };
    for (const stream of [long, lines]) {
      expect(readingOf(options, stream)).toEqual({ usage: undefined, events: 1 });
      expect(readingOf(options, stream + chunkOf(counts(9, 2)))).toEqual({
        usage: usage(9, 2),
        events: 2,
      });
    }
  });

  it("reads a long event that arrives byte by byte", () => {
    const stream = `data: {"pad":"${"x".repeat(5_000)}","usage":{"prompt_tokens":9}}\n\n`;
    const everyByte = Array.from({ length: stream.length }, (_, index) => index);
    expect(readingOf(sseHeaders, stream, everyByte)).toEqual({ usage: usage(9, 0), events: 1 });
  });

  it("is not confused by a long comment", () => {
    const stream = `:${"x".repeat(500)}\n${chunkOf(counts(9, 2))}`;
    expect(readingOf({ ...sseHeaders, eventBytesMax: 128 }, stream, [9, 300])).toEqual({
      usage: usage(9, 2),
      events: 1,
    });
  });

  it("reads a stream the same for any chunks", () => {
    const piece = fc.constantFrom(
      chunkOf(null),
      chunkOf(counts(9, 2)),
      chunkOf(counts(10, 3)),
      chunkOf(undefined),
      responsesStream,
      anthropicStream,
      sglangChunk("a", metaInfo(1)),
      sglangChunk("ab", metaInfo(2, "r1")),
      "data: [DONE]\n\n",
      ": ping\n",
      "event: x\n",
      "data:\r\n\r\n",
      "\r",
      'data: {"usage":\r\ndata: {"prompt_tokens":5}}\r\n\r\n',
      `data: ${"é".repeat(90)}\n`,
    );
    const stream = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const cuts = fc.array(fc.nat(900), { maxLength: 30 });
    const eventBytesMax = fc.constantFrom(64, 100, 1_024);
    fc.assert(
      fc.property(stream, cuts, eventBytesMax, (whole, at, bytesMax) => {
        const options = { ...sseHeaders, eventBytesMax: bytesMax };
        expect(readingOf(options, whole, at)).toEqual(readingOf(options, whole));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a usage reader of a JSON body", () => {
  it.for<[string, string, TokenUsage | undefined]>([
    ["last", '{"id":"c","choices":[{"a":1}],"usage":{"prompt_tokens":9}}', usage(9, 0)],
    ["first, with white space", ' {\n "usage" : {"prompt_tokens":9} ,"b":1}', usage(9, 0)],
    ["twice", '{"usage":{"prompt_tokens":8},"usage":{"prompt_tokens":9}}', usage(9, 0)],
    ["nested", '{"a":{"usage":{"prompt_tokens":9}}}', undefined],
    ["in an array", '[{"usage":{"prompt_tokens":9}}]', undefined],
    [
      "of Anthropic's API",
      '{"usage":{"input_tokens":5,"cache_read_input_tokens":4,"output_tokens":2}}',
      usage(9, 2, 4),
    ],
    ["of SGLang's own API", JSON.stringify({ text: "a", meta_info: metaInfo(2) }), usage(9, 2, 4)],
    [
      "of a batch in SGLang's own API",
      JSON.stringify([{ meta_info: metaInfo(1) }, { a: [{}], meta_info: metaInfo(2, "r1") }]),
      usage(18, 3, 8),
    ],
    [
      "of a batch without ids",
      ' [ {"meta_info":{"prompt_tokens":4}} , {"meta_info":{"prompt_tokens":5}} ] ',
      usage(9, 0),
    ],
    ["in an array of arrays", '[[{"meta_info":{"prompt_tokens":9}}]]', undefined],
    ["after a string in an array", '["a",{"meta_info":{"prompt_tokens":9}}]', undefined],
    ["deeper in an array", '[{"a":{"meta_info":{"prompt_tokens":9}}}]', undefined],
    ["under a longer key than that", '{"meta_info_":{"prompt_tokens":9}}', undefined],
    ["in a string", '{"a":"\\"usage\\":{\\"prompt_tokens\\":9}"}', undefined],
    ["after a value that reads so", '{"a":"usage","b":{"prompt_tokens":9}}', undefined],
    ["under a longer key", '{"usages":{"prompt_tokens":9}}', undefined],
    ["under a shorter key", '{"usag":{"prompt_tokens":9}}', undefined],
    ["after brackets in a string", '{"a":"]}\\"{[","usage":{"prompt_tokens":9}}', usage(9, 0)],
    ["after an escaped backslash", '{"a":"\\\\","usage":{"prompt_tokens":9}}', usage(9, 0)],
    ["null", '{"usage":null}', undefined],
    ["a string", '{"usage":"a,b"}', undefined],
    ["cut off", '{"usage":{"prompt_tokens":9}', undefined],
    ["after the end", '{} {"usage":{"prompt_tokens":9}}', undefined],
    ["no member at all", '"usage"', undefined],
    ["broken", '{"usage":{"prompt_tokens":}}', undefined],
  ])("finds usage %s", ([, body, expected]) => {
    expect(readingOf(jsonHeaders, body)).toEqual({ usage: expected, events: 0 });
    const everyByte = Array.from({ length: body.length }, (_, index) => index);
    expect(readingOf(jsonHeaders, body, everyByte)).toEqual({ usage: expected, events: 0 });
  });

  it("agrees with JSON.parse on any object, for any chunks", () => {
    const anyUsage = fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() });
    const member = fc.tuple(
      fc.oneof(fc.string(), fc.constant("usage")),
      fc.oneof(fc.jsonValue(), anyUsage),
    );
    fc.assert(
      fc.property(
        fc.array(member),
        fc.array(fc.nat(300)),
        fc.option(anyUsage, { nil: undefined }),
        (members, cuts, last) => {
          const body = { ...Object.fromEntries(members), usage: last };
          const expected = last && usage(last.prompt_tokens, last.completion_tokens);
          expect(readingOf(jsonHeaders, JSON.stringify(body), cuts).usage).toEqual(expected);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("does not read a usage beyond the limit", () => {
    const body = `{"usage":{"prompt_tokens":9,"pad":"${"x".repeat(100)}"}}`;
    expect(readingOf({ ...jsonHeaders, valueBytesMax: 64 }, body).usage).toBeUndefined();
    expect(readingOf({ ...jsonHeaders, valueBytesMax: 200 }, body).usage).toEqual(usage(9, 0));
  });
});

describe("createAnswerReader", () => {
  const sse = chunkOf(counts(9, 2));
  const json = '{"usage":{"prompt_tokens":9}}';

  it.each([
    [{ contentType: "Text/Event-Stream; charset=utf-8", contentEncoding: "" }, sse, usage(9, 2)],
    [{ contentType: "application/problem+json", contentEncoding: "identity" }, json, usage(9, 0)],
    [{ contentType: "application/json", contentEncoding: "gzip" }, json, undefined],
    [{ contentType: "text/event-stream", contentEncoding: "br" }, sse, undefined],
    [{ contentType: "text/plain", contentEncoding: undefined }, json, undefined],
    [{ contentType: undefined, contentEncoding: undefined }, json, usage(9, 0)],
    [{ contentType: "", contentEncoding: undefined }, sse, usage(9, 2)],
  ])("chooses by the headers %j", (options, body, expected) => {
    expect(readingOf(options, body).usage).toEqual(expected);
  });

  it.each([sseHeaders, jsonHeaders])(
    "survives any garbage as $contentType, in bounded memory",
    (kind) => {
      const soup = fc
        .array(
          fc.constantFrom(
            ...'data: |\n|\r|{|}|[|]|"|\\|,|:|usage|"usage":{|"meta_info":{|x'.split("|"),
          ),
        )
        .map((pieces) => Buffer.from(pieces.join("")));
      const chunks = fc.array(fc.oneof(soup, fc.uint8Array({ maxLength: 100 })), { maxLength: 20 });
      fc.assert(
        fc.property(chunks, (pieces) => {
          const reader = createAnswerReader({ ...kind, eventBytesMax: 64, valueBytesMax: 64 });
          for (const piece of pieces) {
            reader.push(piece);
            // Three buffers of the limit plus one byte each, and the chunks gathered after the first token.
            expect(reader.carriedBytes).toBeLessThanOrEqual(195 + 4_096);
          }
          reader.end(true);
        }),
        { numRuns: 1_000 },
      );
    },
  );

  it.each([
    [sseHeaders, "data: "],
    [sseHeaders, "data: x\n"],
    [jsonHeaders, '{"usage":"'],
    [jsonHeaders, '{"'],
  ])("holds little of an endless %j body %j", (kind, opening) => {
    const reader = createAnswerReader(kind);
    reader.push(Buffer.from(opening));
    const more = Buffer.from(
      opening.endsWith("\n") ? "data: xxxxxxxx\n".repeat(4_096) : "x".repeat(65_536),
    );
    for (let chunk = 0; chunk < 64; chunk += 1) reader.push(more);
    // 1 MiB and a byte for a line, as much again for the event's earlier lines, 16 KiB for the last event.
    expect(reader.carriedBytes).toBeLessThanOrEqual(2 * (1_048_576 + 1) + 16_385);
  });
});
