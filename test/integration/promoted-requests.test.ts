import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Child, start } from "#test/support/child.ts";
import { ExtProcClient } from "#test/support/ext-proc-client.ts";
import { promotedBytesIn } from "#test/support/promoted-bytes.ts";
import { serveOverFile } from "#test/support/serve-over-file.ts";
import { startScriptedEngine } from "#test/support/scripted-engine.ts";

/**
 * The garbage collector of Node.js moves what is alive, so that requests cost it nothing once they are over. A request
 * that is held a little longer, by an old table or a closure that V8 allocates as old, is moved twice with all that it
 * holds: 15 KB of a small one, in pauses of 15 ms. What is under way during a collection leaves 1 to 3 KB.
 */
const promotedBytesMax = 5_000;

/** A stream of HTTP/2 itself, which Node.js keeps in a `Map`. */
const streamBytesMax = 3_000;

const connections = 8;
const requestsPerConnection = 400;
const body = JSON.stringify({
  model: "m",
  max_tokens: 5,
  messages: [{ role: "user", content: "word ".repeat(400) }],
});
const answer = JSON.stringify({
  choices: [{ index: 0, message: { role: "assistant", content: "yes" } }],
  usage: { prompt_tokens: 400, completion_tokens: 1 },
});

const opened: (() => unknown)[] = [];
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-promoted-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** A small young generation is collected often, so that a few thousand requests tell. */
function startTraced(argv: readonly string[]): Child {
  const flags = ["--trace-gc", "--max-semi-space-size=4"];
  const child = start(process.execPath, [...flags, "src/main.ts", ...argv]);
  opened.push(() => child.close());
  return child;
}

async function startEngine(): Promise<number> {
  const headers = { "content-type": "application/json", "content-length": answer.length };
  const engine = await startScriptedEngine((_, response) => {
    response.writeHead(200, headers).end(answer);
  });
  opened.push(() => engine.close());
  return engine.port;
}

/** The promoted bytes of each request of the second of two loads; the first one warms up. */
async function promotedBytesOf(child: Child, send: (connection: number) => Promise<void>) {
  const load = () =>
    Promise.all(
      Array.from({ length: connections }, async (_, connection) => {
        for (let sent = 0; sent < requestsPerConnection; sent += 1) await send(connection);
      }),
    );
  await load();
  const before = promotedBytesIn(child.output());
  await load();
  return (promotedBytesIn(child.output()) - before) / (connections * requestsPerConnection);
}

async function startGateway() {
  const engine = await startEngine();
  const child = startTraced([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ...["--endpoints", `http://127.0.0.1:${engine}`],
  ]);
  const { http: port } = JSON.parse(await child.line(/"listening"/u)) as { http: number };
  return { child, port };
}

it("of the gateway are not moved to the old generation", async () => {
  const { child, port } = await startGateway();
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  opened.push(() => agent.destroy());
  const send = () =>
    new Promise<void>((resolve, reject) => {
      const url = `http://127.0.0.1:${port}/v1/chat/completions`;
      const headers = { "content-type": "application/json", "content-length": body.length };
      const request = http.request(url, { method: "POST", agent, headers }, (response) => {
        response.resume().on("end", () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`status ${response.statusCode}`));
        });
      });
      request.on("error", reject).end(body);
    });
  expect(await promotedBytesOf(child, send)).toBeLessThan(promotedBytesMax);
});

it("of the gateway over HTTP/2 are not moved to the old generation, but for the streams of Node.js", async () => {
  const { child, port } = await startGateway();
  const session = connect(`http://127.0.0.1:${port}`);
  opened.push(() => session.destroy());
  const send = () =>
    new Promise<void>((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": body.length };
      const stream = session.request({
        ":method": "POST",
        ":path": "/v1/chat/completions",
        ...headers,
      });
      stream.on("response", ({ ":status": status }) => {
        stream.resume().on("end", () => {
          if (status === 200) resolve();
          else reject(new Error(`status ${status}`));
        });
      });
      stream.on("error", reject).end(body);
    });
  expect(await promotedBytesOf(child, send)).toBeLessThan(promotedBytesMax + streamBytesMax);
});

it.each([1, 2])("of serve with %i workers are not moved to the old generation", async (workers) => {
  const port = await startEngine();
  const serve = await serveOverFile(folder, { address: "127.0.0.1", port });
  const child = startTraced([...serve, "--workers", String(workers)]);
  const { grpc } = JSON.parse(await child.line(/"listening"/u)) as { grpc: number };
  const clients = Array.from({ length: connections }, () => new ExtProcClient(grpc));
  opened.push(() => clients.forEach((client) => client.close()));
  const chunks = [answer];
  const send = async (connection: number) => {
    const open = clients[connection]?.open({ path: "/v1/chat/completions", body });
    await open?.picked;
    await open?.finish({ headers: { ":status": "200" }, chunks });
  };
  expect(await promotedBytesOf(child, send)).toBeLessThan(promotedBytesMax);
});
