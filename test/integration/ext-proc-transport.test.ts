import { constants, connect } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import type { TransportKind } from "../../src/data-plane/ingress/ext-proc/load-transport.ts";
import type { ProxyMessage } from "../../src/data-plane/ingress/ext-proc/messages.ts";
import type { Ingress } from "../../src/data-plane/ingress/ingress.ts";
import { aTransport, transportKinds } from "#test/support/transports.ts";
import { eventually } from "#test/support/wait.ts";

const path = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** A gRPC message around `payload`. */
function framed(payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + payload.length);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, 5);
  return frame;
}

/** `ProcessingRequest{request_headers: {end_of_stream: true}}` */
const bodylessRequest = framed(Buffer.from([0x12, 0x02, 0x18, 0x01]));

let transport: Ingress | undefined;
afterEach(() => transport?.abort());

async function serving(kind: TransportKind) {
  const messages: ProxyMessage[] = [];
  let closed = 0;
  transport = await aTransport(
    kind,
    (stream) => ({
      receive: (message) => {
        messages.push(message);
        stream.answer({
          kind: "request-headers",
          pick: { destination: "127.0.0.1:1", headers: [], removed: [], bodyBytes: undefined },
        });
      },
      close: () => {
        closed += 1;
      },
    }),
    { receivedBytesMax: 1_000 },
  );
  const port = await transport.listen("127.0.0.1", 0);
  return { port, transport, messages, closedCount: () => closed };
}

function request(session: ReturnType<typeof connect>) {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  return stream;
}

describe.each(transportKinds)("ext_proc over %s", (kind) => {
  it("keeps a connection through more resets than Node allows by itself", async () => {
    const { port, transport: running, closedCount } = await serving(kind);
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", () => undefined);
    // Node's own limit is 1,000 at once and 33 a second after that.
    const rounds = 30;
    const perRound = 100;
    for (let round = 0; round < rounds; round += 1) {
      const streams = Array.from({ length: perRound }, () => request(session));
      for (const stream of streams) stream.write(bodylessRequest);
      await Promise.all(
        streams.map(
          (stream) =>
            new Promise((resolve) => {
              stream.once("response", resolve);
              stream.once("close", resolve);
            }),
        ),
      );
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    }
    await eventually("all streams are closed", () =>
      closedCount() === rounds * perRound ? true : undefined,
    );
    expect(session.closed).toBe(false);
    expect(session.destroyed).toBe(false);
    expect(running.openRequests).toBe(0);
    expect(running.requestsTotal).toBe(rounds * perRound);
    session.destroy();
  });

  it.each([
    ["is no protobuf", framed(Buffer.from([0xff, 0xff, 0xff]))],
    ["is larger than the limit", framed(Buffer.alloc(2_000))],
  ])("ends a stream whose message %s, and serves the next one", async (_, bytes) => {
    const { port, messages, closedCount } = await serving(kind);
    const session = connect(`http://127.0.0.1:${port}`);
    const broken = request(session);
    broken.resume();
    broken.write(bytes);
    await eventually("the stream is closed", () => (closedCount() === 1 ? true : undefined));
    const next = request(session);
    next.write(bodylessRequest);
    await eventually("the next one is served", () => (messages.length > 0 ? true : undefined));
    expect(messages).toMatchObject([{ kind: "request-headers", endOfStream: true }]);
    session.destroy();
  });

  it("lets a proxy send large bodies ahead, on one stream and on all of a connection", async () => {
    const { port } = await serving(kind);
    const session = connect(`http://127.0.0.1:${port}`);
    request(session);
    const windowBytes = await eventually("the connection's window is wide", () => {
      const { remoteWindowSize = 0 } = session.state;
      return remoteWindowSize > 65_535 ? remoteWindowSize : undefined;
    });
    expect(windowBytes).toBe(16 * 1024 * 1024);
    expect(session.remoteSettings.initialWindowSize).toBe(1024 * 1024);
    session.destroy();
  });

  it("lets open streams finish after telling the proxy to go away", async () => {
    const { port, transport: running, messages } = await serving(kind);
    const session = connect(`http://127.0.0.1:${port}`);
    const stream = request(session);
    stream.write(bodylessRequest);
    await new Promise((resolve) => {
      stream.once("response", resolve);
    });
    const goneAway = new Promise((resolve) => {
      session.once("goaway", resolve);
    });
    running.goAway();
    await goneAway;
    expect(running.openRequests).toBe(1);
    stream.end(bodylessRequest);
    stream.resume();
    await eventually("the stream has ended", () => (running.openRequests === 0 ? true : undefined));
    expect(messages).toHaveLength(2);
  });
});
