import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { callProcess } from "#test/support/process-call.ts";

const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

function open(url: string): ClientHttp2Session {
  const session = connect(url, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  sessions.push(session);
  return session;
}

/** `ProcessingRequest{request_headers: {end_of_stream: true}}`, framed for gRPC. */
const bodylessRequest = Buffer.from([0, 0, 0, 0, 4, 0x12, 0x02, 0x18, 0x01]);

/** One call under a name, to its `grpc-status`. */
function call(session: ClientHttp2Session, authority: string, more: OutgoingHttpHeaders = {}) {
  return callProcess(session, {
    headers: { ":authority": authority, ...more },
    body: bodylessRequest,
  });
}

const istio = "outbound|9002||pointsman-epp.llm.svc.cluster.local";

describe.each([
  { scheme: "http", transport: "http2", flags: ["--secure-serving=false"] },
  { scheme: "https", transport: "http2", flags: [] },
  { scheme: "http", transport: "grpc-js", flags: ["--secure-serving=false"] },
  { scheme: "https", transport: "grpc-js", flags: [] },
])("a call over $scheme and $transport", ({ scheme, transport, flags }) => {
  let picker: Child | undefined;
  let url = "";
  beforeAll(async () => {
    picker = startPointsman([
      ...["serve", "--bind-address", "127.0.0.1", "--grpc-port", "0", "--grpc-health-port", "0"],
      ...["--metrics-port", "0", "--transport", transport, ...flags],
    ]);
    const line = await picker.line(/"msg":"listening"/);
    // The line is the picker's own.
    url = `${scheme}://127.0.0.1:${(JSON.parse(line) as { grpc: number }).grpc}`;
  });
  afterAll(() => picker?.close());

  it.each(["picker", istio, "a b", "pools/llm", "{[\\^`]}", `x${"|".repeat(200)}`])(
    "is taken under the name %s",
    async (name) => {
      const session = open(url);
      expect(await call(session, name)).toBe("0");
      expect(await call(session, name)).toBe("0");
    },
  );

  it("is taken again when its name had to leave the tables of header compression", async () => {
    const session = open(url);
    for (let round = 0; round < 30; round += 1) {
      const calls = Array.from({ length: 10 }, (_, index) =>
        call(session, istio, { traceparent: `${round}-${index}-${"f".repeat(200)}` }),
      );
      expect(new Set(await Promise.all(calls))).toEqual(new Set(["0"]));
    }
  });

  it.each(["picker", istio])(
    "is taken under the name %s of a client that waits for the server's first word",
    async (name) => {
      const session = open(url);
      await new Promise((resolve) => {
        session.once("remoteSettings", resolve);
      });
      expect(await call(session, name)).toBe("0");
      expect(await call(session, name)).toBe("0");
    },
  );

  it("is taken under any name of a client that has sent a ping before, and its ping is answered", async () => {
    const session = open(url);
    await new Promise((resolve) => {
      session.once("connect", resolve);
    });
    const failure = await new Promise((resolve) => {
      session.ping((cause) => resolve(cause));
    });
    expect(failure).toBeNull();
    expect(await call(session, istio)).toBe("0");
  });
});
