import assert from "node:assert/strict";
import type { Http2Server, ServerHttp2Session, ServerOptions } from "node:http2";
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";

/** Resets a second, and at once, that a connection survives. */
const resetsMax = 1_000_000;

/** Bytes of one stream that a proxy may send ahead: a 1 MiB body in one go. */
const streamWindowBytes = 1024 * 1024;

/** Bytes of all streams of a connection that a proxy may send ahead. */
const connectionWindowBytes = 16 * 1024 * 1024;

/**
 * What lies behind a gRPC server, for which grpc-js has no option (its `flow_control_window` is one
 * of clients). Private fields: the assertions keep an upgrade that renames one from undoing this
 * unnoticed.
 */
interface Internals {
  readonly commonServerOptions?: ServerOptions;
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}

interface CallInternals {
  readonly call?: { readonly stream?: { readonly session?: ServerHttp2Session } };
}

/**
 * Lifts Node's limit on streams that a peer resets: 1,000 and then 33 a second for a connection,
 * after which Node drops the connection. It protects servers from browsers; here every client that
 * gives up becomes a reset, and one proxy carries them all over one connection.
 */
export function allowResets(server: Server): void {
  const options = optionsOf(server);
  options.streamResetBurst = resetsMax;
  options.streamResetRate = resetsMax;
}

/** Widens each stream's window, 64 KiB by default, to the size of a large body. */
export function widenStreams(server: Server): void {
  const options = optionsOf(server);
  options.settings = { ...options.settings, initialWindowSize: streamWindowBytes };
}

/**
 * Widens the window that all streams of a connection share, 64 KiB by default: with it one body at
 * a time would fit, however many streams a proxy has open. To be called once the server takes connections.
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

/** The connection that a call came over; undefined if grpc-js keeps it elsewhere. */
export function connectionOf(call: ServerDuplexStream<unknown, unknown>) {
  // As above: private to the type only. An upgrade that renames one is seen by a test.
  const internals = call as unknown as CallInternals;
  return internals.call?.stream?.session;
}

function optionsOf(server: Server): ServerOptions {
  const { commonServerOptions } = internalsOf(server);
  assert(commonServerOptions !== undefined, "grpc-js keeps its HTTP/2 options elsewhere");
  return commonServerOptions;
}

function internalsOf(server: Server): Internals {
  // The fields are private to the type only; whether they are there, the callers assert.
  return server as unknown as Internals;
}
