import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

interface SessionTimes {
  /** Time for the head of the first request. */
  readonly headTimeoutMs: number;
  /** Time for which a connection is kept without an open request. */
  readonly keepAliveMs: number;
}

/** Closes a connection of HTTP/2 that has no open request, or does not finish the head of one. */
export function closeIfUnused(
  session: ServerHttp2Session,
  { headTimeoutMs, keepAliveMs }: SessionTimes,
): void {
  let openStreams = 0;
  session.setTimeout(headTimeoutMs);
  session.on("stream", (stream: ServerHttp2Stream) => {
    openStreams += 1;
    session.setTimeout(keepAliveMs);
    stream.once("close", () => void (openStreams -= 1));
  });
  // Any frame restarts the time, also the last one of a request.
  session.on("timeout", () => {
    if (openStreams === 0) session.destroy();
  });
}
