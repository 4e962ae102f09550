import { connect } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameMender } from "./frame-mender.ts";
import { withUsableAuthority } from "./header-block.ts";
import { huffmanText } from "./huffman.ts";

const bytes = (...parts: readonly (number | string)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part))),
  );

describe("a Huffman-coded text", () => {
  // The examples of RFC 7541, appendix C.
  it.each([
    ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
    ["a8eb10649cbf", "no-cache"],
    ["25a849e95ba97d7f", "custom-key"],
    ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
  ])("%s is %s", (coded, text) => {
    expect(huffmanText(Buffer.from(coded, "hex"))).toBe(text);
  });

  it.each([
    ["ends in the middle of a character", "f1e3c2e5f23a6ba0ab90f4fe"],
    ["has a character that no name has", "ffc7"],
    ["is filled up with a byte too many", "a8eb10649cbfff"],
  ])("that %s is none", (_, coded) => {
    expect(huffmanText(Buffer.from(coded, "hex"))).toBeUndefined();
  });
});

describe("a block of headers", () => {
  const name = "outbound|9002||a.b";
  const usable = "outbound-9002--a.b";

  it.each([
    ["that is indexed", 0x41],
    ["that is not", 0x01],
    ["that never is", 0x11],
  ])("with an authority %s has a usable one of the same length", (_, first) => {
    const before = bytes(0x83, 0x86, first, name.length, name, 0x84);
    expect(withUsableAuthority(before)).toEqual(
      bytes(0x83, 0x86, first, usable.length, usable, 0x84),
    );
  });

  it("is found behind other headers, with names and with sizes of tables", () => {
    const others = bytes(
      0x20,
      0x3f,
      0xe1,
      0x1f,
      0x40,
      2,
      "te",
      8,
      "trailers",
      0x04,
      2,
      "/p",
      0xff,
      0x00,
    );
    const block = Buffer.concat([others, bytes(0x41, name.length, name)]);
    expect(withUsableAuthority(block)).toEqual(
      Buffer.concat([others, bytes(0x41, usable.length, usable)]),
    );
  });

  it("stays the same object where the authority is usable, or is not spelt out", () => {
    for (const block of [
      bytes(0x82),
      bytes(0x41, 3, "a.b"),
      bytes(0x41, 9, "[::1]:900"),
      bytes(),
    ]) {
      expect(withUsableAuthority(block)).toBe(block);
    }
  });

  it("stays as it is where it is broken, whatever is in it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (array) => {
        const block = Buffer.from(array);
        const mended = withUsableAuthority(block);
        // It never grows by more than what Huffman coding had saved.
        expect(mended.length).toBeLessThanOrEqual(block.length * 2 + 4);
      }),
    );
  });
});

/** Bytes of nghttp2 as a client that makes these calls on one connection. */
async function saidBy(authorities: readonly string[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  for (const authority of authorities) {
    session.request({ ":authority": authority, ":path": "/" }).on("error", () => undefined);
  }
  await new Promise((resolve) => {
    session.once("connect", resolve);
  });
  await new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
  session.destroy();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return Buffer.concat(chunks);
}

/** Headers with a padding of two bytes and a priority, and this authority of three. */
const paddedFrame = (authority: string) =>
  bytes(0, 0, 13, 1, 0x2d, 0, 0, 0, 1, 2, "prior", 0x41, 3, authority, 0, 0);

describe("a mender of frames", () => {
  it("says the same for any split of the bytes, and knows every block", async () => {
    const said = await saidBy(["picker", "a|b", "picker", "a|b", "c d"]);
    const whole = new FrameMender();
    const expected = Buffer.concat(whole.push(said));
    // nghttp2 spells a name out once, and then refers to it.
    expect({ headers: whole.headers, mended: whole.mended }).toEqual({ headers: 5, mended: 2 });
    expect(expected.includes("a|b")).toBe(false);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: said.length }), { maxLength: 8 }), (cuts) => {
        const mender = new FrameMender();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), said.length];
        const pieces = edges.slice(1).map((end, index) => said.subarray(edges[index], end));
        const out = pieces.flatMap((piece) => mender.push(piece));
        expect(Buffer.concat([...out, mender.held])).toEqual(expected);
      }),
    );
  });

  it("leaves out so many acknowledgements of settings, and no more", () => {
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const settings = bytes(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0);
    const acknowledgement = bytes(0, 0, 0, 4, 1, 0, 0, 0, 0);
    const mender = new FrameMender(1);
    const said = Buffer.concat([preface, settings, acknowledgement, acknowledgement]);
    expect(Buffer.concat(mender.push(said))).toEqual(
      Buffer.concat([preface, settings, acknowledgement]),
    );
    expect(mender.others).toBe(0);
    mender.push(bytes(0, 0, 8, 6, 0, 0, 0, 0, 0, "12345678"));
    expect(mender.others).toBe(1);
  });

  it("takes padding and priority for what they are", () => {
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const mender = new FrameMender();
    expect(Buffer.concat(mender.push(Buffer.concat([preface, paddedFrame("a|b")])))).toEqual(
      Buffer.concat([preface, paddedFrame("a-b")]),
    );
  });
});
