import { describe, expect, it } from "vitest";
import { ConnectionError } from "../frame-types.ts";
import { HuffmanDecoder } from "./huffman.ts";

const decode = (coded: Buffer) => new HuffmanDecoder().decode(coded, 0, coded.length);

describe("Huffman codes", () => {
  it.each([
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["", ""],
    // 0xa is 30 bits of ones but for the last two, and padding.
    ["\n", "fffffff3"],
    // 0xff is 26 bits: 0x3ffffee.
    ["\u00ff", "fffffbbf"],
    // 0x00 is 13 bits: 0x1ff8.
    ["\0", "ffc7"],
  ])("decode to %j", (text, coded) => {
    expect(decode(Buffer.from(coded, "hex"))).toBe(text);
  });

  it.each([
    ["the code for the end", "fffffffc"],
    ["more than seven bits of padding", "1fff"],
    ["padding that is not all ones", "18"],
    ["a code that is cut off", "ffff"],
  ])("refuse %s", (_, coded) => {
    expect(() => decode(Buffer.from(coded, "hex"))).toThrow(ConnectionError);
  });
});
