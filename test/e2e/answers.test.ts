import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { Rig, RigOptions } from "#test/support/rig.ts";
import { startRig } from "#test/support/rig.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";
import type { startScriptedEngine } from "#test/support/scripted-engine.ts";
import { eventually } from "#test/support/wait.ts";

type Script = Parameters<typeof startScriptedEngine>[0];

const rigs = scriptedRigs();

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const role = data({ choices: [{ delta: { role: "assistant", content: "" } }] });
const token = data({ choices: [{ delta: { content: "a" }, finish_reason: null }] });
const last = data({ choices: [{ delta: {}, finish_reason: "stop" }] });
const usage = data({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 1 } });
const done = "data: [DONE]\n\n";
const sse = { "content-type": "text/event-stream" };

/** An engine that streams `pieces`, with a pause before each but the first, and then ends or stays. */
const streams =
  (
    pieces: readonly string[],
    {
      pauseMs = 20,
      after = "end",
    }: { readonly pauseMs?: number; readonly after?: "end" | "stay" | "die" } = {},
  ): Script =>
  async (_request, response) => {
    response.writeHead(200, sse);
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      response.write(piece);
    }
    if (after === "end") response.end();
    if (after === "die") setTimeout(() => response.destroy(), 100);
  };

const post = (rig: Rig, init: RequestInit & { readonly model?: string } = {}) =>
  fetch(`${rig.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"model":"${init.model ?? "m"}","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
    ...init,
  });

/** The one request that was logged. */
const logged = (rig: Rig) =>
  eventually("the request is logged", () =>
    rig.requestLog().find(({ path }) => path !== "/health"),
  );

async function aRig(script: Script, options: Partial<RigOptions> = {}) {
  await rigs.startEngines(1, () => script);
  return rigs.start(options);
}

describe("an answer that began with 200", () => {
  it.each([
    ["before a token", [role, data({ error: { message: "x", code: 500 } }), done]],
    ["after tokens", [role, token, data({ error: { message: "x", code: 500 } }), done]],
  ])("is a failure where it tells an error %s", async (_, pieces) => {
    const rig = await aRig(streams(pieces));
    expect(await (await post(rig)).text()).toBe(pieces.join(""));
    expect(await logged(rig)).toMatchObject({
      status: 200,
      error: "answer_error_server",
      end: "complete",
    });
    const page = await rig.metricsPage();
    expect(page).toMatch(/request_error_total\{[^}]*error_code="answer_error_server"\} 1/);
    expect(page).not.toMatch(/request_ttft_seconds_count\{model_name="m".*\} [1-9]/);
  });

  it("is a failure where the engine ends it before its marker", async () => {
    const rig = await aRig(streams([role, token]));
    expect(await (await post(rig)).text()).toBe(role + token);
    expect(await logged(rig)).toMatchObject({
      error: "answer_truncated",
      end: "aborted",
      endedBy: "engine",
    });
  });

  it("is timed from its first token on", async () => {
    const rig = await aRig(streams([role, ": waiting\n\n", token, last, done], { pauseMs: 200 }));
    await (await post(rig)).text();
    const { ttftMs } = await logged(rig);
    // Two pauses of 200 ms lie before the token.
    expect(ttftMs).toBeGreaterThan(380);
  });

  it.each([
    ["is complete", "[DONE]", [token, last, usage, done]],
    ["is complete", "a finish reason", [token, last]],
  ])("%s for a client that leaves after %s", async (_, marker, pieces) => {
    const rig = await aRig(streams(pieces, { after: "stay" }));
    const client = new AbortController();
    const response = await post(rig, { signal: client.signal });
    const wanted = marker === "[DONE]" ? marker : '"stop"';
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(wanted)) break;
    }
    client.abort();
    const line = await logged(rig);
    expect(line).toMatchObject({ end: "complete", status: 200 });
    expect([line["endedBy"], line["error"]]).toEqual([undefined, undefined]);
  });

  it("says that the client left where no answer had begun", async () => {
    const rig = await aRig(() => undefined);
    const client = new AbortController();
    const pending = post(rig, { signal: client.signal });
    await eventually("the engine has it", () =>
      rigs.engines()[0]?.seen.some(({ body }) => body.length > 0) === true ? true : undefined,
    );
    client.abort();
    await expect(pending).rejects.toThrow(/abort/i);
    expect(await logged(rig)).toMatchObject({ end: "aborted", endedBy: "client" });
  });

  it.each(["client", "engine"])(
    "does not guess who broke it off mid-stream: the %s",
    async (who) => {
      const rig = await aRig(streams([role, token], { after: who === "engine" ? "die" : "stay" }));
      const client = new AbortController();
      const response = await post(rig, { signal: client.signal });
      await response.body?.getReader().read();
      if (who === "client") client.abort();
      expect(await logged(rig)).toMatchObject({ end: "aborted", endedBy: "unknown", status: 200 });
    },
  );

  it("says that we cut it off, and that the proxy went away", async () => {
    const rig = await aRig(streams([role, token], { after: "stay" }), {
      flags: ["--drain-timeout", "300ms"],
    });
    const [picker] = rig.pickers;
    const response = await post(rig);
    const reader = response.body?.getReader();
    await reader?.read();
    picker?.child.signal("SIGTERM");
    expect(await logged(rig)).toMatchObject({ end: "aborted", endedBy: "drain" });
    await reader?.cancel().catch(() => undefined);
  });

  it("says that the proxy went away", async () => {
    const rig = await aRig(streams([role, token], { after: "stay" }));
    const response = await post(rig);
    const read = response.text().catch(() => undefined);
    await eventually("it runs", async () =>
      (await rig.metric("llm_d_epp_request_running")) === 1 ? true : undefined,
    );
    process.kill(rig.envoyPid, "SIGKILL");
    expect(await logged(rig)).toMatchObject({ end: "aborted", endedBy: "proxy" });
    await read;
  });
});

/** An engine that compresses whatever it is asked for. */
const gzipped =
  (body: string, headers: Record<string, string>): Script =>
  (_request, response) => {
    response.writeHead(200, { ...headers, "content-encoding": "gzip" });
    response.end(gzipSync(body));
  };

describe("a compressed answer", () => {
  it.each([
    ["a stream", token + last + usage + done, sse],
    [
      "a body",
      '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}',
      { "content-type": "application/json" },
    ],
  ])("has its usage read and arrives as it was sent: %s", async (_, body, headers) => {
    const rig = await aRig(gzipped(body, headers));
    expect(await (await post(rig)).text()).toBe(body);
    expect(await logged(rig)).toMatchObject({ promptTokens: 9, outputTokens: 1, end: "complete" });
  });

  it("is not asked for where a name is put back; one that comes all the same is counted", async () => {
    const asked: unknown[] = [];
    const rig = await aRig(
      (request, response) => {
        asked.push(request.headers["accept-encoding"]);
        return gzipped(token + last + done, sse)(request, response);
      },
      {
        apiVersion: "pointsman.dev/v1alpha1",
        scheduling: `modelRewrites:
- {matches: [{model: {value: alias}}], targets: [{modelRewrite: target}]}
`,
      },
    );
    await (await post(rig, { model: "alias" })).text();
    expect(await logged(rig)).toMatchObject({ targetModel: "target", keepsTargetName: true });
    expect(asked).toEqual(["identity"]);
    expect(await rig.metric("pointsman_model_names_kept_total")).toBe(1);
    await (await post(rig, { model: "other" })).text();
    expect(asked[1]).toContain("gzip");
  });
});

describe("a request that the proxy tries again", () => {
  it("tells on the endpoint that failed, and is counted where it runs", async () => {
    const engines = await rigs.startEngines(2, () => streams([role, token], { after: "stay" }));
    const running = await rigs.start({
      routing: "override-host",
      scheduling: `- {type: max-score-picker, parameters: {maxNumOfEndpoints: 2}}
schedulingProfiles:
- name: default
  plugins: [{pluginRef: active-request-scorer}, {pluginRef: max-score-picker}]`,
      envoy: { retriesMax: 2 },
    });
    const [dead, live] = engines;
    await dead?.close();
    const client = new AbortController();
    const inFlight = async (port: number | undefined) =>
      (await running.metricsPage())
        .split("\n")
        .find((line) => line.startsWith(`llm_d_epp_inflight_requests{endpoint_name="e-${port}"`))
        ?.split(" ")
        .at(-1);
    // Whichever is picked for the first one, the dead one has the least in flight for one of them.
    for (let request = 0; request < 2; request += 1) {
      const response = await post(running, { signal: client.signal });
      expect(response.status).toBe(200);
      await response.body?.getReader().read();
    }
    expect([await inFlight(dead?.port), await inFlight(live?.port)]).toEqual(["0", "2"]);
    client.abort();
    const line = await eventually("a retry is logged", () =>
      running.requestLog().find(({ failedBefore }) => failedBefore !== undefined),
    );
    expect(line).toMatchObject({
      endpoint: `127.0.0.1:${dead?.port}`,
      servedBy: `127.0.0.1:${live?.port}`,
      failedBefore: `127.0.0.1:${dead?.port}`,
    });
    expect(await running.metric("pointsman_endpoints_passed_over_total")).toBeGreaterThan(0);
  });
});

describe("a WebSocket session", () => {
  let close: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await close?.();
    close = undefined;
  });

  /** An engine that echoes what it is sent, and ends the session at `bye`. */
  async function anEcho(mode: RigOptions["envoy"]) {
    const engine = createServer((_request, response) => void response.end("ok\n"));
    engine.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\n");
      socket.write("upgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        socket.write(bytes);
        if (bytes.includes("bye")) socket.end();
      });
    });
    engine.listen(0, "127.0.0.1");
    await once(engine, "listening");
    const { port } = engine.address() as AddressInfo;
    const rig = await startRig({
      engines: [{ address: "127.0.0.1", port }],
      ...(mode === undefined ? {} : { envoy: mode }),
    });
    close = async () => {
      await rig.close();
      engine.closeAllConnections();
      engine.close();
    };
    return rig;
  }

  it.each([
    ["the client ends", undefined, "hello"],
    ["the engine ends", undefined, "bye"],
    [
      "the client ends",
      { requestBodyMode: "STREAMED", responseBodyMode: "STREAMED" } as const,
      "hello",
    ],
    ["the client ends", { requestBodyMode: "NONE", responseBodyMode: "NONE" } as const, "hello"],
  ])("that %s is complete and a success (%j)", async (_, mode, said) => {
    const rig = await anEcho(mode);
    const { hostname, port } = new URL(rig.url);
    const socket = connect(Number(port), hostname);
    let heard = "";
    socket.on("data", (bytes) => void (heard += bytes.toString("latin1")));
    socket.on("error", () => undefined);
    socket.write(
      "GET /v1/realtime HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    await eventually("the session has begun", () => (heard.includes("101") ? true : undefined));
    socket.write(said);
    if (said === "hello") {
      await eventually("it echoes", () => (heard.includes(said) ? true : undefined));
      socket.end();
    }
    const line = await logged(rig);
    expect(line).toMatchObject({ status: 101, end: "complete", path: "/v1/realtime" });
    expect([line["error"], line["endedBy"]]).toEqual([undefined, undefined]);
    expect(await rig.metric("llm_d_epp_request_error_total")).toBe(0);
    socket.destroy();
  });
});
