import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";

/** A reader that takes nothing for this long is cut off. */
const stallMsMax = 30_000;

/** A page that is written while it is read. */
export interface ChunkedPage {
  readonly httpStatus: number;
  readonly headers: OutgoingHttpHeaders;
  readonly chunks: AsyncIterable<string>;
}

interface Answering {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Sends a page as fast as its reader takes it, compressed if it asks for that. */
export async function sendChunks(
  { request, response }: Answering,
  { httpStatus, headers, chunks }: ChunkedPage,
  stallMs = stallMsMax,
): Promise<void> {
  const isZipped = acceptsGzip(request.headers["accept-encoding"]);
  response.writeHead(httpStatus, {
    ...headers,
    vary: "accept, accept-encoding",
    ...(isZipped ? { "content-encoding": "gzip" } : {}),
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  response.setTimeout(stallMs, () => response.destroy());
  try {
    // Compression runs on a thread of its own.
    if (isZipped) await pipeline(chunks, createGzip({ level: constants.Z_BEST_SPEED }), response);
    else await pipeline(chunks, response);
  } catch (cause) {
    if (!isReaderGone(cause)) throw cause;
  }
}

const readerGoneCodes: ReadonlySet<unknown> = new Set([
  "ERR_STREAM_PREMATURE_CLOSE",
  "ECONNRESET",
  "EPIPE",
]);

function isReaderGone(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && readerGoneCodes.has(cause.code);
}

/** True if `accept-encoding` permits gzip by its name. */
export function acceptsGzip(accepted: string | string[] | undefined): boolean {
  const codings = [accepted ?? ""].flat().join(",").toLowerCase().split(",");
  return codings.some((coding) => {
    const [name = "", ...parameters] = coding.split(";").map((part) => part.trim());
    const isRefused = parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter));
    return (name === "gzip" || name === "x-gzip") && !isRefused;
  });
}
