import { connect, constants, sensitiveHeaders } from "node:http2";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionError, frameType } from "../frame-types.ts";
import { FrameReader } from "../frame-reader.ts";
import { HpackDecoder } from "./decoder.ts";

type Pair = readonly [name: string, value: string];

/** A decoder, and a function that decodes a block to its pairs. */
function aDecoder(tableBytesMax = 4_096) {
  let pairs: Pair[] = [];
  const decoder = new HpackDecoder(
    { field: ({ name, value }) => void pairs.push([name, value]) },
    tableBytesMax,
  );
  const decode = (block: Buffer): readonly Pair[] => {
    pairs = [];
    decoder.decode(block, 0, block.length);
    return pairs;
  };
  return { decoder, decode };
}

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

const firstRequest: Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const secondRequest: Pair[] = [...firstRequest, ["cache-control", "no-cache"]];
const thirdRequest: Pair[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const date = "Mon, 21 Oct 2013 20:13:21 GMT";
const laterDate = "Mon, 21 Oct 2013 20:13:22 GMT";
const location = "https://www.example.com";
const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

const responses: readonly (readonly Pair[])[] = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", date],
    ["location", location],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", date],
    ["location", location],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", laterDate],
    ["location", location],
    ["content-encoding", "gzip"],
    ["set-cookie", cookie],
  ],
];

describe("the examples of RFC 7541, appendix C", () => {
  it.each([
    ["C.2.1", "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", 55],
    ["C.2.2", "040c 2f73 616d 706c 652f 7061 7468", 0],
    ["C.2.3", "1008 7061 7373 776f 7264 0673 6563 7265 74", 0],
    ["C.2.4", "82", 0],
  ])("decode to one field in %s", (_, block, tableBytes) => {
    const { decoder, decode } = aDecoder();
    expect(decode(hex(block))).toHaveLength(1);
    expect(decoder.tableBytes).toBe(tableBytes);
  });

  it.each([
    [
      "C.3, without Huffman codes",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4, with Huffman codes",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("decode to three requests in %s", (_, [first = "", second = "", third = ""]) => {
    const { decoder, decode } = aDecoder();
    expect(decode(hex(first))).toEqual(firstRequest);
    expect(decoder.tableBytes).toBe(57);
    expect(decode(hex(second))).toEqual(secondRequest);
    expect(decoder.tableBytes).toBe(110);
    expect(decode(hex(third))).toEqual(thirdRequest);
    expect(decoder.tableBytes).toBe(164);
  });

  it.each([
    [
      "C.5, without Huffman codes",
      [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
      ],
    ],
    [
      "C.6, with Huffman codes",
      [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
      ],
    ],
  ])("decode to three responses with a table of 256 bytes in %s", (_, blocks) => {
    const { decoder, decode } = aDecoder(256);
    expect(blocks.map((block) => decode(hex(block)))).toEqual(responses);
    expect(decoder.tableBytes).toBe(215);
  });
});

/** True if `task` returns or throws an error of the protocol. */
function endsCleanly(task: () => void): boolean {
  try {
    task();
    return true;
  } catch (cause) {
    return cause instanceof ConnectionError;
  }
}

describe("broken blocks", () => {
  it.each([
    ["index 0", "80"],
    ["an index that no table has", "be"],
    ["a name by an index that no table has", "7f0000"],
    ["a number that is cut off", "ff"],
    ["a number of too many bytes", "ffffffffffffffff7f"],
    ["a name that is cut off", "400a6375"],
    ["a value that is cut off", "4001610a61"],
    ["no value", "400161"],
    ["a string that is longer than all blocks", "00017f7fffffff7f"],
    ["a table above the limit", "3fe21f"],
    ["a table size after a field", "823f00"],
    ["the end of a string in Huffman codes", "000161 84ffffffff"],
    ["padding of eight bits", "000161 82 1fff"],
    ["padding of zeros", "000161 81 18"],
  ])("with %s are refused", (_, block) => {
    expect(() => aDecoder().decode(hex(block))).toThrow(ConnectionError);
  });

  it("of any bytes end with a clean error or with fields", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (blocks) => {
        const { decoder, decode } = aDecoder();
        const isClean = blocks.every((block) => endsCleanly(() => decode(Buffer.from(block))));
        expect(isClean).toBe(true);
        expect(decoder.tableBytes).toBeLessThanOrEqual(4_096);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the table", () => {
  it("follows changes of its size within the limit", () => {
    const { decoder, decode } = aDecoder();
    decode(hex("40 0161 0162"));
    expect(decoder.tableBytes).toBe(34);
    // 0 bytes, then 4,096 again.
    decode(hex("20 3fe11f"));
    expect(decoder.tableBytes).toBe(0);
    expect(() => decode(hex("be"))).toThrow(ConnectionError);
  });

  it("is emptied by a field that is larger", () => {
    const { decoder, decode } = aDecoder(64);
    decode(hex("40 0161 0162"));
    decode(Buffer.concat([hex("40 0161 7f00"), Buffer.alloc(127, 0x62)]));
    expect(decoder.tableBytes).toBe(0);
  });
});

const latin1 = (minLength: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0xff }), { minLength, maxLength: 40 })
    .map((codes) => String.fromCharCode(...codes.filter((code) => code !== 0x7f)));

const headerName = fc.stringMatching(/^x-[a-z0-9-]{0,12}$/);

/** Headers of many requests, of which some come again. */
const requests = fc.array(
  fc.record({
    path: latin1(1).map((text) => `/${text}`),
    headers: fc.uniqueArray(fc.tuple(headerName, latin1(0)), {
      maxLength: 12,
      selector: ([name]) => name,
    }),
    isSensitive: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

type Requests = typeof requests extends fc.Arbitrary<infer T> ? T : never;

/** Blocks of headers that the client of Node.js sends for some requests. */
async function blocksOf(sent: Requests): Promise<readonly Buffer[]> {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk);
      done();
    },
  });
  const session = connect("http://a", { createConnection: () => socket });
  session.on("error", () => undefined);
  for (const { path, headers, isSensitive } of sent) {
    const stream = session.request({
      ":path": path,
      ...Object.fromEntries(headers),
      [sensitiveHeaders]: isSensitive ? headers.map(([name]) => name) : [],
    });
    stream.on("error", () => undefined);
  }
  await new Promise((resolve) => void setImmediate(resolve));
  session.destroy(undefined, constants.NGHTTP2_CANCEL);
  const blocks: Buffer[] = [];
  const reader = new FrameReader({
    isOver: false,
    begin: ({ type }) => (type === frameType.headers ? "whole" : "skipped"),
    piece: () => undefined,
    ended: () => undefined,
    whole: (bytes, start, end) => void blocks.push(Buffer.from(bytes.subarray(start, end))),
  });
  for (const chunk of written) reader.push(chunk);
  return blocks;
}

describe("blocks of nghttp2's encoder", () => {
  it("decode to the headers that were sent", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (sent) => {
        const { decode } = aDecoder();
        const blocks = await blocksOf(sent);
        const decoded = blocks.map(decode);
        expect(decoded).toHaveLength(sent.length);
        for (const [index, pairs] of decoded.entries()) {
          const { path, headers } = sent[index] ?? { path: "", headers: [] };
          expect(pairs.slice(0, 4)).toContainEqual([":path", path]);
          expect(pairs.slice(4)).toEqual(headers.map(([name, value]) => [name, value]));
        }
      }),
      { numRuns: 60 },
    );
  });
});
