import assert from "node:assert/strict";
import type { Http2Server, ServerHttp2Session, ServerOptions } from "node:http2";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";

/** Stream resets that a connection may have per second and in one burst. */
const resetsMax = 1_000_000;

/** Flow-control window of a stream: a proxy may send a body of 1 MiB at once. */
const streamWindowBytes = 1024 * 1024;

/** Flow-control window of a connection, for all its streams. */
const connectionWindowBytes = 16 * 1024 * 1024;

/**
 * Internals of a gRPC server, because grpc-js has no option for these settings (`flow_control_window` is for clients).
 * The fields are private: assertions fail if an upgrade renames one.
 */
interface Internals {
  readonly commonServerOptions?: ServerOptions;
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}

interface CallInternals {
  readonly call?: { readonly stream?: { readonly session?: ServerHttp2Session } };
}

/**
 * Lifts Node's limit on stream resets by a peer: 1,000 and then 33 a second for a connection, beyond which Node drops
 * the connection. The limit protects servers from browsers. Here, every client that gives up causes a reset, and one
 * proxy sends the streams of all clients over one connection.
 */
export function allowResets(server: Server): void {
  const options = optionsOf(server);
  options.streamResetBurst = resetsMax;
  options.streamResetRate = resetsMax;
}

/** Widens each stream's window from the default of 64 KiB to the size of a large body. */
export function widenStreams(server: Server): void {
  const options = optionsOf(server);
  options.settings = { ...options.settings, initialWindowSize: streamWindowBytes };
}

/**
 * Widens the window that all streams of a connection share. The default of 64 KiB fits one body at a time, even if a
 * proxy has many streams open. Call it after the connection injector was created.
 */
export function widenConnections(server: Server): void {
  const { http2Servers } = internalsOf(server);
  assert(
    http2Servers !== undefined && http2Servers.size > 0,
    "grpc-js keeps its servers elsewhere",
  );
  for (const http2Server of http2Servers.keys()) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.setLocalWindowSize(connectionWindowBytes);
    });
  }
}

/** The connection of a call; undefined if an upgrade of grpc-js moved it. */
export function connectionOf(call: ServerDuplexStream<unknown, unknown>) {
  // The fields are private to the type only. A test fails if an upgrade renames one.
  const internals = call as unknown as CallInternals;
  return internals.call?.stream?.session;
}

function optionsOf(server: Server): ServerOptions {
  const { commonServerOptions } = internalsOf(server);
  assert(commonServerOptions !== undefined, "grpc-js keeps its HTTP/2 options elsewhere");
  return commonServerOptions;
}

function internalsOf(server: Server): Internals {
  // The fields are private to the type only; callers assert that they exist.
  return server as unknown as Internals;
}
