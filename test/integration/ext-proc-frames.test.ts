import { connect } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  type HeaderPair,
  preface,
  settingsOf,
} from "../../loadtest/fuzz-http/http2-frames.ts";
import type { TransportKind } from "../../src/data-plane/ingress/ext-proc/load-transport.ts";
import type { ProxyMessage } from "../../src/data-plane/ingress/ext-proc/messages.ts";
import type {
  ProxyStream,
  TransportOptions,
} from "../../src/data-plane/ingress/ext-proc/transport.ts";
import { systemClock } from "../../src/std/clock.ts";
import { HealthService } from "../../src/data-plane/ingress/grpc/health.ts";
import {
  bodylessRequest,
  data,
  framed,
  greeting,
  openStream,
  processHeaders,
  RawHttp2,
  reset,
  windowUpdate,
} from "#test/support/raw-http2.ts";
import { aTransport, transportKinds } from "#test/support/transports.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

/** A port that answers headers with a pick, bodies with themselves, and ends after trailers. */
async function serving(kind: TransportKind, options: Partial<TransportOptions> = {}) {
  const messages: ProxyMessage[] = [];
  const closes: string[] = [];
  const streams: ProxyStream[] = [];
  const transport = await aTransport(
    kind,
    (stream) => {
      streams.push(stream);
      return {
        receive: (message) => {
          messages.push(message);
          if ("body" in message)
            stream.answer({ kind: message.kind, piece: message, pick: undefined });
          else if (message.kind === "request-headers") {
            const pick = {
              destination: "127.0.0.1:1",
              headers: [],
              removed: [],
              bodyBytes: undefined,
            };
            stream.answer({ kind: "request-headers", pick });
          } else if (message.kind === "response-trailers") stream.finish();
        },
        close: (by) => void closes.push(by),
      };
    },
    options,
  );
  opened.push(() => transport.abort());
  const port = await transport.listen("127.0.0.1", 0);
  const client = new RawHttp2(port);
  opened.push(() => client.close());
  return { transport, port, client, messages, closes, streams };
}

/** `ProcessingRequest{request_body: {body}}` */
function bodyMessage(body: Buffer): Buffer {
  return framed(Buffer.concat([lengthPrefixed(0x22, lengthPrefixed(0x0a, body))]));
}

function lengthPrefixed(tag: number, payload: Buffer): Buffer {
  const length: number[] = [];
  let rest = payload.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([tag, ...length, rest]), payload]);
}

interface Start {
  readonly headers?: readonly HeaderPair[];
  /** True if the client sends one message and no more. */
  readonly isUnary?: boolean;
}

/** The end of a call by the client of Node.js. */
async function answerOf(port: number, { headers = [], isUnary = false }: Start, message?: Buffer) {
  const session = connect(`http://127.0.0.1:${port}`);
  opened.push(() => session.destroy());
  session.on("error", () => undefined);
  const stream = session.request(Object.fromEntries([...processHeaders, ...headers]));
  stream.on("error", () => undefined);
  let status: unknown;
  let grpcStatus: unknown;
  const received: Buffer[] = [];
  stream.on("response", (fields) => {
    status = fields[":status"];
    grpcStatus ??= fields["grpc-status"];
  });
  stream.on("trailers", (fields) => {
    grpcStatus ??= fields["grpc-status"];
  });
  stream.on("data", (chunk: Buffer) => void received.push(chunk));
  if (isUnary) stream.end(message);
  else if (message !== undefined) stream.write(message);
  await eventually("an end", () =>
    grpcStatus !== undefined || (status !== undefined && status !== 200) ? true : undefined,
  );
  stream.close();
  return { status, grpcStatus, data: Buffer.concat(received) };
}

const count = (message: string, isReached: () => boolean) =>
  eventually(message, () => (isReached() ? true : undefined));

const padded = 0x8;
const withPriority = 0x20;
const ack = 0x1;

describe.each(transportKinds)("frames of a proxy, over %s", (kind) => {
  it.each([
    ["in one write", (bytes: Buffer) => [bytes]],
    ["byte by byte", (bytes: Buffer) => [...bytes].map((byte) => Buffer.from([byte]))],
  ])("are served that come %s", async (_, cut) => {
    const { client, messages, closes } = await serving(kind);
    const sent = [greeting, openStream(1), data(1, bodylessRequest, endStream)];
    for (const piece of cut(Buffer.concat(sent))) client.send(piece);
    await client.end(1);
    expect(messages).toMatchObject([{ kind: "request-headers", endOfStream: true }]);
    await count("the close", () => closes.length === 1);
    expect(closes).toEqual(["unknown"]);
  });

  it.each([
    [
      "a ping and settings before",
      [frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8, 1)), settingsOf([[99, 1]])],
    ],
    ["a frame of an unknown type before", [frameOf(0x55, 0xff, 7, Buffer.alloc(100))]],
    ["a priority before", [frameOf(frameTypes.priority, 0, 1, Buffer.alloc(5))]],
    ["an answer to settings before", [frameOf(frameTypes.settings, ack, 0, Buffer.alloc(0))]],
  ])("are served with %s", async (_, before) => {
    const { client, messages } = await serving(kind);
    client.send(greeting, ...before, openStream(1), data(1, bodylessRequest));
    expect(await count("the message", () => messages.length === 1)).toBe(true);
  });

  it("are served with padding, priority and headers in several frames", async () => {
    const { client, messages } = await serving(kind);
    const block = blockOf(processHeaders);
    const [first, second] = [block.subarray(0, 20), block.subarray(20)];
    client.send(
      greeting,
      frameOf(
        frameTypes.headers,
        padded | withPriority,
        1,
        Buffer.concat([Buffer.from([3]), Buffer.alloc(5), first, Buffer.alloc(3)]),
      ),
      frameOf(frameTypes.continuation, 0, 1, second.subarray(0, 1)),
      frameOf(frameTypes.continuation, endHeaders, 1, second.subarray(1)),
      data(
        1,
        Buffer.concat([Buffer.from([200]), bodylessRequest.subarray(0, 3), Buffer.alloc(200)]),
        padded,
      ),
      data(1, Buffer.concat([Buffer.from([0]), bodylessRequest.subarray(3)]), padded),
    );
    expect(await count("the message", () => messages.length === 1)).toBe(true);
  });

  it("are answered: pings and settings", async () => {
    const { client } = await serving(kind);
    client.send(greeting, openStream(1), frameOf(frameTypes.ping, 0, 0, Buffer.from("12345678")));
    const pong = await client.frame(frameTypes.ping);
    expect([pong.flags, pong.payload.toString()]).toEqual([ack, "12345678"]);
    await client.frame(frameTypes.settings, ({ flags }) => flags === ack);
  });

  it("get no more answers than their window allows, and the rest when it grows", async () => {
    const { client, messages } = await serving(kind);
    const body = Buffer.alloc(50_000, "x");
    client.send(
      preface,
      settingsOf([[4, 100]]),
      openStream(1),
      data(1, bodyMessage(body).subarray(0, 16_000)),
      data(1, bodyMessage(body).subarray(16_000, 32_000)),
      data(1, bodyMessage(body).subarray(32_000, 48_000)),
      data(1, bodyMessage(body).subarray(48_000)),
    );
    await count("the message", () => messages.length === 1);
    await count("a part", () => client.data(1).length === 100);
    client.send(windowUpdate(1, 50));
    await count("a further part", () => client.data(1).length === 150);
    // The first window of all streams grows by 900.
    client.send(settingsOf([[4, 1_000]]));
    await count("a larger part", () => client.data(1).length === 1_050);
    client.send(windowUpdate(1, 60_000), windowUpdate(0, 60_000));
    await count("the rest", () => client.data(1).length > 50_000);
    const sizes = client.frames.filter(({ type }) => type === frameTypes.data);
    expect(Math.max(...sizes.map(({ payload }) => payload.length))).toBeLessThanOrEqual(16_384);
    expect(client.data(1).includes(body)).toBe(true);
  });

  it("are not read any more on a stream that does not read its answers", async () => {
    const { client, messages } = await serving(kind);
    client.send(preface, settingsOf([[4, 0]]), openStream(1));
    // The wide windows apply once the settings are acknowledged.
    await client.frame(frameTypes.settings, ({ payload }) => payload.length > 0);
    client.send(frameOf(frameTypes.settings, ack, 0, Buffer.alloc(0)));
    const message = bodyMessage(Buffer.alloc(8_000, "x"));
    // 100 of them are 800 KB, within the window of the stream.
    for (let sent = 0; sent < 100; sent += 1) client.send(data(1, message));
    client.send(openStream(3), data(3, bodylessRequest));
    await count("the message of another stream", () =>
      messages.some(({ kind: sort }) => sort === "request-headers"),
    );
    expect(messages.length).toBeLessThan(40);
    client.send(windowUpdate(1, 2 ** 30), windowUpdate(0, 2 ** 30));
    await count("all messages", () => messages.length === 101);
  });

  it.each([
    ["another method", { headers: [[":path", "/a.B/C"]] }, [bodylessRequest, "12"]],
    [
      "an unsupported encoding",
      { headers: [["grpc-encoding", "snappy"]] },
      [framed(Buffer.alloc(1), 1), "12"],
    ],
    ["a deadline", { headers: [["grpc-timeout", "20m"]] }, [Buffer.alloc(0), "4"]],
    ["a deadline of no format", { headers: [["grpc-timeout", "soon"]] }, [Buffer.alloc(0), "13"]],
    ["a message that is no protobuf", {}, [framed(Buffer.from([0xff, 0xff])), "13"]],
    ["a message that is too large", {}, [framed(Buffer.alloc(2_000)), "8"]],
    ["an answer that is too large", {}, [bodyMessage(Buffer.alloc(600)), "8"]],
  ] as const)("end with a status of gRPC: %s", async (_, start, [message, status]) => {
    const { port, transport } = await serving(kind, {
      receivedBytesMax: 1_000,
      sentBytesMax: 500,
    });
    expect((await answerOf(port, start, message)).grpcStatus).toBe(status);
    await count("the end", () => transport.openRequests === 0);
  });

  it("end with HTTP status 415 without gRPC's content type", async () => {
    const { port } = await serving(kind);
    const { status } = await answerOf(port, { headers: [["content-type", "text/plain"]] });
    expect(status).toBe(415);
  });

  it("are told why their stream ended: by a reset, with the connection, or by a drain", async () => {
    const { client, port, closes, transport } = await serving(kind);
    client.send(greeting, openStream(1), data(1, bodylessRequest));
    await count("an answer", () => client.data(1).length > 0);
    client.send(reset(1));
    await count("a close", () => closes.length === 1);
    const second = new RawHttp2(port);
    second.send(greeting, openStream(1), data(1, bodylessRequest));
    await count("an answer", () => second.data(1).length > 0);
    second.close();
    await count("a close", () => closes.length === 2);
    client.send(openStream(3), data(3, bodylessRequest));
    await count("an answer", () => client.data(3).length > 0);
    expect([transport.openRequests, transport.requestsTotal]).toEqual([1, 3]);
    transport.abort();
    await count("a close", () => closes.length === 3);
    expect(closes).toEqual(["unknown", "proxy", "drain"]);
    expect(transport.openRequests).toBe(0);
  });

  it("may end while the answer is not read", async () => {
    const { client, closes, messages } = await serving(kind);
    client.send(preface, settingsOf([[4, 0]]), openStream(1), data(1, bodylessRequest));
    await count("a message", () => messages.length === 1);
    client.send(reset(1));
    expect(await count("a close", () => closes.length === 1)).toBe(true);
  });

  it("are held while the stream is paused, and their close is told", async () => {
    const { client, streams, messages, closes } = await serving(kind);
    client.send(greeting, openStream(1), data(1, bodylessRequest));
    await count("a message", () => messages.length === 1);
    streams[0]?.pause();
    client.send(data(1, bodyMessage(Buffer.from("a"))), data(1, bodyMessage(Buffer.from("b"))));
    client.send(openStream(3), data(3, bodylessRequest));
    await count("the message of another stream", () => messages.length >= 2);
    streams[0]?.resume();
    await count("all messages", () => messages.length === 4);
    streams[0]?.pause();
    client.send(data(1, bodyMessage(Buffer.from("c"))), reset(1));
    expect(await count("a close", () => closes.length === 1)).toBe(true);
  });

  it("ask for health", async () => {
    const health = new HealthService();
    const { port } = await serving(kind, { health });
    const service = Buffer.from("readiness");
    const ask = framed(lengthPrefixed(0x0a, service));
    const check = { headers: [[":path", "/grpc.health.v1.Health/Check"]] as const, isUnary: true };
    const list = { headers: [[":path", "/grpc.health.v1.Health/List"]] as const, isUnary: true };
    expect((await answerOf(port, check, ask)).data).toEqual(framed(Buffer.from([8, 2])));
    health.setReady(true);
    expect((await answerOf(port, check, ask)).data).toEqual(framed(Buffer.from([8, 1])));
    expect((await answerOf(port, list, framed(Buffer.alloc(0)))).data.toString()).toMatch(
      /readiness.*liveness|liveness.*readiness/s,
    );
    const unknown = framed(lengthPrefixed(0x0a, Buffer.from("other")));
    expect((await answerOf(port, check, unknown)).grpcStatus).toBe("5");
    const client = new RawHttp2(port);
    opened.push(() => client.close());
    client.send(
      greeting,
      openStream(1, { headers: [[":path", "/grpc.health.v1.Health/Watch"]] }),
      data(1, ask, endStream),
    );
    await count("the first status", () => client.data(1).equals(framed(Buffer.from([8, 1]))));
    health.setReady(false);
    await count("the second", () => client.data(1).length === 14);
    expect(client.data(1).at(-1)).toBe(2);
  });
});

describe("a proxy that does not read its connection", () => {
  it("is not read either until it does, whatever its windows are", async () => {
    const { client, messages } = await serving("http2");
    client.send(preface, settingsOf([[4, 2 ** 31 - 1]]), windowUpdate(0, 2 ** 30));
    await client.frame(frameTypes.settings);
    client.hear(false);
    const message = bodyMessage(Buffer.alloc(900_000, "x"));
    // 36 MB, where the two sockets and the server hold a few.
    const ids = Array.from({ length: 40 }, (_, index) => 2 * index + 1);
    for (const id of ids) client.send(openStream(id), data(id, message));
    await eventually("some are read", () => messages.length > 0 || undefined);
    await systemClock.sleep(300);
    expect(messages.length).toBeLessThan(25);
    client.hear(true);
    await count("all are read", () => messages.length === 40);
    await count("all are answered", () => ids.every((id) => client.data(id).length > 900_000));
  });
});
