import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Load, type LoadOptions } from "../../loadtest/hot-path/load.ts";
import {
  PreparedRequest,
  preparedAnswer,
  preparedRequests,
} from "../../loadtest/hot-path/messages.ts";
import { pickerAnswers as answers } from "../support/picker-answers.ts";

/** A server on this machine that gives each stream to `serve`. */
async function aServer(
  serve: (stream: ServerHttp2Stream) => void,
  settings: { initialWindowSize?: number; maxConcurrentStreams?: number } = {},
): Promise<{ port: number; server: Http2Server }> {
  // Node.js ends a connection after 1,000 resets, which a fast machine reaches.
  const server = createServer({ settings, streamResetBurst: 1e6, streamResetRate: 1e6 });
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    serve(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  // A TCP server that listens has an address and a port.
  return { port: (server.address() as AddressInfo).port, server };
}

interface Seen {
  resets: number;
  requestIds: Set<string>;
}

/** Answers each request as a picker does, a piece of the answer for each piece. */
function pickerOf(requestBytes: number, seen: Seen) {
  return (stream: ServerHttp2Stream) => {
    let bytes = 0;
    let isPicked = false;
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.on("aborted", () => (seen.resets += 1));
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      const id = /r-\d{12}/.exec(chunk.toString("latin1"))?.[0];
      if (id !== undefined) seen.requestIds.add(id);
      if (isPicked || bytes < requestBytes) return;
      isPicked = true;
      stream.write(Buffer.concat([answers.requestHeaders, answers.requestPiece]));
      stream.write(answers.requestBody);
      stream.write(answers.responseHeaders);
    });
    stream.on("end", () => stream.end(answers.responseBody));
  };
}

function aLoad(port: number, options: Partial<LoadOptions>): Load {
  return new Load({
    ...{ port, isTls: false, authority: "picker.test", connections: 2, isShort: false },
    ...{ streams: 4, ratePerSecond: 0, requests: preparedRequests(2_048, false).slice(0, 64) },
    ...{ answer: preparedAnswer(0), abortEach: 0, warmUpMs: 0, measuredMs: 400 },
    onMark: () => undefined,
    ...options,
  });
}

const someSeen = (): Seen => ({
  resets: 0,
  requestIds: new Set(),
});

function bytesOf(request: PreparedRequest): number {
  return Buffer.concat(request.messages).length;
}

describe("a load", () => {
  it.each([
    ["as fast as they are answered", {}],
    ["at a rate", { ratePerSecond: 500 }],
    ["on a connection each", { isShort: true }],
  ])("makes calls %s that a server of node:http2 understands", async (_, options) => {
    const [request = new PreparedRequest(2_048, 0, false)] = preparedRequests(2_048, false);
    const seen = someSeen();
    const { port } = await aServer(pickerOf(bytesOf(request), seen));
    const result = await aLoad(port, options).run();
    expect(result.failures).toEqual({});
    expect(result.answered).toBeGreaterThan(0);
    expect(result.picksMs.length).toBeGreaterThan(0);
    // Each request has an id of its own.
    expect(seen.requestIds.size).toBeGreaterThanOrEqual(result.answered);
  });

  it("waits for the windows of a server that opens them slowly", async () => {
    const request = new PreparedRequest(50_000, 0, false);
    const seen = someSeen();
    const server = await aServer(pickerOf(bytesOf(request), seen), { initialWindowSize: 1_000 });
    const result = await aLoad(server.port, {
      requests: [request],
      streams: 1,
      measuredMs: 1_500,
    }).run();
    expect(result.failures).toEqual({});
    expect(result.answered).toBeGreaterThan(0);
  });

  it("sends events one by one, each after the one before came back", async () => {
    const { port } = await aServer((stream) => {
      let bytes = 0;
      let pieces = 0;
      stream.respond({ ":status": 200 });
      stream.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes < requestBytes) return;
        // The first is the end of the request, the second the head of its answer.
        const sent = [
          answers.requestBody,
          answers.responseHeaders,
          ...Array.from({ length: 9 }, () => answers.responsePiece),
          answers.responseBody,
        ][pieces];
        pieces += 1;
        if (pieces < 12) stream.write(sent);
        else stream.end(sent);
      });
    });
    const request = new PreparedRequest(2_048, 0, true);
    const requestBytes = bytesOf(request);
    const result = await aLoad(port, { requests: [request], answer: preparedAnswer(10) }).run();
    expect(result.failures).toEqual({});
    expect(result.answered).toBeGreaterThan(0);
    expect(result.piecesMs.length).toBeGreaterThanOrEqual(result.answered * 10 - 40);
  });

  it("leaves calls at a fixed interval, and the others are answered", async () => {
    const request = new PreparedRequest(2_048, 0, false);
    const seen = someSeen();
    const { port } = await aServer(pickerOf(bytesOf(request), seen));
    const result = await aLoad(port, { requests: [request], abortEach: 2 }).run();
    expect(result.failures).toEqual({});
    expect(result.answered).toBeGreaterThan(0);
    expect(result.aborted).toBeGreaterThan(0);
    expect(seen.resets).toBeGreaterThan(0);
  });

  it("counts refusals by their status, and failures by their kind", async () => {
    let calls = 0;
    const { port } = await aServer((stream) => {
      calls += 1;
      stream.respond({ ":status": 200 });
      if (calls % 3 === 0) stream.close(11);
      else if (calls % 3 === 1) stream.end(answers.refusal);
      else stream.end();
    });
    const result = await aLoad(port, { measuredMs: 300 }).run();
    expect(Object.keys(result.refusals)).toEqual(["503"]);
    expect(Object.keys(result.failures).toSorted()).toEqual(["ended without a pick", "reset 11"]);
    expect(result.answered).toBe(0);
  });

  it("names connections that nobody takes", async () => {
    const { port, server } = await aServer(() => undefined);
    server.close();
    await once(server, "close");
    const result = await aLoad(port, { measuredMs: 50 }).run();
    expect(Object.keys(result.failures)).toContain("connection closed");
  });
});
