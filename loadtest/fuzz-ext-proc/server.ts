import assert from "node:assert/strict";
import { Http2Transport } from "../../src/data-plane/ingress/ext-proc/http2-transport.ts";
import type { ProxyMessage } from "../../src/data-plane/ingress/ext-proc/messages.ts";
import type {
  ProxyStream,
  StreamHandler,
} from "../../src/data-plane/ingress/ext-proc/transport.ts";
import { HealthService } from "../../src/data-plane/ingress/grpc/health.ts";
import type { FrameHead, PayloadUse } from "../../src/data-plane/ingress/http2/frame-reader.ts";
import { ServerSession } from "../../src/data-plane/ingress/http2/server-session.ts";
import { PortListener } from "../../src/listening/port-listener.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { Held } from "./held.ts";

/** The process that is fuzzed: the transport of the ext_proc port, and answers of every kind. */

const pauseMs = 2;
const mebibyte = 1024 * 1024;

let frames = 0;
let openStreams = 0;
let streams = 0;
let connections = 0;

countFrames();
const transport = new Http2Transport(
  {
    listener: countedListener(),
    clock: systemClock,
    receivedBytesMax: mebibyte,
    sentBytesMax: undefined,
    health: new HealthService(),
  },
  (stream) => new Answering(stream),
);

/** Answers as a picker does: at once, later, with a pause, or with a refusal. */
class Answering implements StreamHandler {
  readonly #stream: ProxyStream;
  readonly #turn: number;
  #isClosed = false;

  constructor(stream: ProxyStream) {
    this.#stream = stream;
    this.#turn = streams % 8;
    streams += 1;
    openStreams += 1;
  }

  receive(message: ProxyMessage): void {
    assert(!this.#isClosed, "a message after the close");
    if (this.#turn === 1) setImmediate(() => this.#answer(message));
    else if (this.#turn === 2) this.#afterPause(message);
    else this.#answer(message);
  }

  close(): void {
    assert(!this.#isClosed, "a second close");
    this.#isClosed = true;
    openStreams -= 1;
  }

  #afterPause(message: ProxyMessage): void {
    this.#stream.pause();
    systemClock.after(pauseMs, () => {
      this.#answer(message);
      this.#stream.resume();
    });
  }

  #answer(message: ProxyMessage): void {
    const stream = this.#stream;
    switch (message.kind) {
      case "request-headers":
        if (this.#turn === 3) return this.#refuse();
        message.headers.get("x-request-id");
        return stream.answer({
          kind: "request-headers",
          pick: { destination: "10.0.0.1:80", headers: [], removed: [], bodyBytes: undefined },
        });
      case "request-body":
        return stream.answer({ kind: "request-body", piece: message, pick: undefined });
      case "request-trailers":
        return stream.answer({ kind: "request-trailers" });
      case "response-headers":
        return stream.answer({ kind: "response-headers", set: [["x-a", "é"]], removed: [] });
      case "response-body":
        stream.answer({ kind: "response-body", piece: message });
        return message.endOfStream ? stream.finish() : undefined;
      case "response-trailers":
        stream.answer({ kind: "response-trailers" });
        return stream.finish();
    }
  }

  #refuse(): void {
    const response = { httpStatus: 503, headers: [["x-a", "1"]], body: "no" } as const;
    this.#stream.answer({ kind: "immediate", response });
    this.#stream.finish();
  }
}

/** Frames are counted where the session sees their heads. */
function countFrames(): void {
  const { prototype } = ServerSession;
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the session below
  const begin: (this: ServerSession, head: FrameHead) => PayloadUse = prototype.begin;
  prototype.begin = function counted(this: ServerSession, head: FrameHead) {
    frames += 1;
    return begin.call(this, head);
  };
}

function countedListener(): PortListener {
  const listener = new PortListener(
    { kind: "cleartext" },
    { clock: systemClock, log: { warn() {} }, mendsNames: false },
  );
  const listen = listener.listen.bind(listener);
  listener.listen = (address, port, accept) =>
    listen(address, port, (socket) => {
      connections += 1;
      socket.once("close", () => (connections -= 1));
      accept(socket);
    });
  return listener;
}

function held(): Held {
  assert(globalThis.gc !== undefined, "run with --expose-gc");
  globalThis.gc();
  const { heapUsed, rss, external } = process.memoryUsage();
  return {
    frames,
    streams,
    openStreams,
    openRequests: transport.openRequests,
    connections,
    handles: process.getActiveResourcesInfo().length,
    heapMb: Math.round(heapUsed / 1e5) / 10,
    externalMb: Math.round(external / 1e5) / 10,
    rssMb: Math.round(rss / 1e6),
  };
}

process.on("message", (message) => {
  if (message === "held") process.send?.(held());
  else if (message === "frames") process.send?.({ frames });
  else process.exit(0);
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port: await transport.listen("127.0.0.1", 0) });
