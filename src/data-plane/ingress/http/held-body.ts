import type { Readable } from "node:stream";
import type { SeenBody } from "../../../core/parse-result.ts";

/** A body as far as it was read before the decision. */
export type HeldBody =
  | { readonly kind: "whole"; readonly bytes: Buffer }
  /** It is beyond the limit; `rest` has all of it. */
  | { readonly kind: "cut"; readonly rest: AsyncIterable<Uint8Array>; readonly seen: SeenBody };

/** First bytes of a JSON object: white space, a brace, or the first byte of a byte order mark. */
const objectStarts = new Set([0x20, 0x09, 0x0a, 0x0d, 0x7b, 0xef]);

interface Holding {
  readonly bytesMax: number;
  /** True to stop at a first byte that cannot begin an object. */
  readonly onlyObjects: boolean;
  /** Number of bytes that the client announced; NaN if it did not. */
  readonly announcedBytes: number;
}

/** Reads a body to its end, or until it is known that it will not be held. `held` does not run if the body breaks off. */
export function holdBody(
  body: Readable,
  { bytesMax, onlyObjects, announcedBytes }: Holding,
  held: (body: HeldBody) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (seen: SeenBody) => {
    body.pause();
    body.off("data", take);
    body.off("end", finish);
    held({ kind: "cut", rest: restOf(chunks, body), seen });
  };
  const take = (chunk: Buffer) => {
    const isFirst = bytes === 0;
    chunks.push(chunk);
    bytes += chunk.length;
    if (isFirst && onlyObjects && !objectStarts.has(chunk[0] ?? 0)) stop("not_wanted");
    else if (bytes > bytesMax) stop("too_long");
  };
  const finish = () => {
    if (isBrokenOff(body)) return;
    const [only] = chunks;
    const isOne = chunks.length === 1 && only !== undefined;
    held({ kind: "whole", bytes: isOne ? only : Buffer.concat(chunks, bytes) });
  };
  if (announcedBytes > bytesMax) return stop("too_long");
  body.on("data", take);
  body.on("end", finish);
}

async function* restOf(chunks: readonly Buffer[], body: Readable): AsyncIterable<Uint8Array> {
  yield* chunks;
  yield* piecesOf(body);
}

/** The pieces of a body. A reader that stops early leaves the client's connection open for the answer. */
export async function* piecesOf(body: Readable): AsyncIterable<Uint8Array> {
  // Each chunk of a stream without an encoding is a buffer.
  for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  if (isBrokenOff(body)) throw new Error("the client broke off its body");
}

/** Streams of HTTP/2 end in order although their connection has ended before the last frame of the body. */
function isBrokenOff(body: Readable): boolean {
  return "aborted" in body && body.aborted === true;
}
