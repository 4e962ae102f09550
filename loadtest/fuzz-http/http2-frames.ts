import { frameFlag, frameType, preface } from "../../src/data-plane/ingress/http2/frame-types.ts";

export { frameType as frameTypes, preface };
export const { endStream, endHeaders } = frameFlag;

export type HeaderPair = readonly [name: string, value: string];

type FrameParts = readonly [type: number, flags: number, stream: number, payload: Buffer];

export function frameOf(...[type, flags, stream, payload]: FrameParts): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as literals that no table keeps (RFC 7541, section 6.2.2), so that any bytes can be sent. */
export function blockOf(headers: readonly HeaderPair[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [Buffer.from([0]), stringOf(name), stringOf(value)]),
  );
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function settingsOf(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.concat(
    pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)])),
  );
  return frameOf(frameType.settings, 0, 0, payload);
}

function stringOf(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([lengthOf(bytes.length), bytes]);
}

/** An integer with a prefix of seven bits (RFC 7541, section 5.1). */
function lengthOf(length: number): Buffer {
  const prefixMax = 127;
  if (length < prefixMax) return Buffer.from([length]);
  const bytes = [prefixMax];
  let rest = length - prefixMax;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
