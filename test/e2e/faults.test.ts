import { describe, expect, it } from "vitest";
import type { Rig, RigOptions } from "#test/support/rig.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";
import type { startScriptedEngine } from "#test/support/scripted-engine.ts";
import { eventually } from "#test/support/wait.ts";

const rigs = scriptedRigs();

type Script = Parameters<typeof startScriptedEngine>[0];

async function aRig(script: Script, count: number, options: Partial<RigOptions> = {}) {
  await rigs.startEngines(count, () => script);
  return rigs.start(options);
}

const ok: Script = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1}}');
};

const post = (url: string, init: RequestInit = {}) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}',
    ...init,
  });

/** The body that reached whichever engine served the last request that had one. */
const bodyReceived = () =>
  rigs
    .engines()
    .flatMap(({ seen }) => seen.map(({ body }) => body.toString()))
    .find((body) => body.length > 0);

const inFlight = (running: Rig, wanted: number) =>
  eventually(`${wanted} requests in flight`, async () =>
    (await running.metric("llm_d_epp_inflight_requests")) === wanted ? true : undefined,
  );

describe("a gateway with too few endpoints", () => {
  it("answers 503 with the drop reason where the pool is empty, and recovers", async () => {
    const running = await aRig(ok, 1);
    await running.setEndpoints([]);
    const refused = await eventually("the pool is empty", async () => {
      const response = await post(running.url);
      if (response.status === 503) return response;
      await response.text();
      return undefined;
    });
    expect(refused.headers.get("x-llm-d-request-dropped-reason")).toBe("rejected-no-endpoints");
    expect(await refused.json()).toEqual({
      error: {
        message: "no model server is ready",
        type: "service_unavailable",
        code: "no_endpoints",
      },
    });
    await running.setEndpoints(rigs.engines());
    await eventually("the pool is back", async () => {
      const response = await post(running.url);
      await response.text();
      return response.status === 200 ? true : undefined;
    });
  });

  it.each([
    ["a list", (second: string) => [second]],
    ["a string", (second: string) => `${second}, 127.0.0.1:1`],
    ["a list of strings with commas", (second: string) => [`127.0.0.1:1,${second}`]],
  ])("keeps to a subset hint given as %s", async (_, hintOf) => {
    const engines = await rigs.startEngines(3, () => ok);
    const second = `127.0.0.1:${engines[1]?.port}`;
    const rig = await rigs.start({ envoy: { subset: hintOf(second) } });
    for (let request = 0; request < 10; request += 1) {
      const response = await post(rig.url);
      expect(response.status).toBe(200);
      await response.text();
    }
    const served = engines.map(({ seen }) => seen.filter(({ body }) => body.length > 0).length);
    expect(served).toEqual([0, 10, 0]);
  });

  it("takes a subset hint of an address for all its ports", async () => {
    const running = await aRig(ok, 2, { envoy: { subset: ["127.0.0.1"] } });
    expect((await post(running.url)).status).toBe(200);
  });

  it.each([
    ["empty", []],
    ["of strangers", ["10.0.0.1:8000"]],
  ])("answers 503 to a subset hint that is %s", async (_, subset) => {
    const running = await aRig(ok, 2, { envoy: { subset } });
    expect((await post(running.url)).status).toBe(503);
  });
});

describe("a gateway whose requests break off", () => {
  it("releases the request and tells the engine when the client leaves mid-stream", async () => {
    const running = await aRig((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: {}\n\n");
    }, 1);
    const client = new AbortController();
    const response = await post(running.url, { signal: client.signal });
    await response.body?.getReader().read();
    await inFlight(running, 1);
    client.abort();
    await inFlight(running, 0);
    await eventually("the engine sees it", () =>
      rigs.engines()[0]?.abortedCount() === 1 ? true : undefined,
    );
    expect(await running.metric("llm_d_epp_request_running")).toBe(0);
  });

  it("releases a request whose client leaves before its body is complete", async () => {
    const running = await aRig(ok, 1);
    const client = new AbortController();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('{"model":')),
    });
    const pending = post(running.url, {
      body,
      signal: client.signal,
      duplex: "half",
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    client.abort();
    await expect(pending).rejects.toThrow(/abort/i);
    await eventually("it is logged as aborted", () =>
      running.requestLog().find(({ end }) => end === "aborted"),
    );
    await inFlight(running, 0);
  });

  it("releases the request and passes the cut on when an engine dies mid-stream", async () => {
    const running = await aRig((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: {}\n\n");

      setTimeout(() => response.destroy(), 100);
    }, 1);
    const response = await post(running.url);
    await expect(response.text()).rejects.toThrow(/terminated/);
    await inFlight(running, 0);
    const line = await eventually("it is logged as aborted", () =>
      running.requestLog().find(({ end, status }) => end === "aborted" && status === 200),
    );
    expect(line).toMatchObject({ streaming: true });
    expect(await running.metric("llm_d_epp_request_error_total")).toBeGreaterThanOrEqual(1);
  });

  it("counts an engine's own error as one, by its status", async () => {
    const running = await aRig((_request, response) => {
      response.writeHead(500, { "content-type": "application/json" });
      response.end('{"error":{}}');
    }, 1);
    expect((await post(running.url)).status).toBe(500);
    const line = await eventually("it is logged", () =>
      running.requestLog().find(({ status }) => status === 500),
    );
    expect(line).toMatchObject({ end: "complete" });
  });
});

describe("a gateway beside Envoy's other ways", () => {
  it.each(["BUFFERED", "STREAMED", "BUFFERED_PARTIAL", "NONE"] as const)(
    "routes and passes bodies on when Envoy sends them %s",
    async (mode) => {
      const running = await aRig(ok, 2, {
        envoy: { requestBodyMode: mode, responseBodyMode: mode },
      });
      const response = await post(running.url);
      expect(response.status).toBe(200);
      expect(await response.text()).toContain("usage");
      expect(bodyReceived()).toContain('"model":"m"');
      await inFlight(running, 0);
    },
  );

  it.each([100, 20_000, 3_000_000])(
    "routes a streamed body of %i bytes that Envoy sends without waiting",
    async (length) => {
      const running = await aRig(ok, 2, {
        envoy: { requestBodyMode: "STREAMED", responseBodyMode: "STREAMED", sendsBodyAtOnce: true },
      });
      const body = JSON.stringify({ model: "m", messages: [], padding: "x".repeat(length) });
      const response = await post(running.url, { body });
      expect(response.status).toBe(200);
      await response.text();
      expect(bodyReceived()).toBe(body);
    },
  );

  it("serves Envoy over TLS with its self-signed certificate", async () => {
    const running = await aRig(ok, 1, { pickerTls: true });
    expect((await post(running.url)).status).toBe(200);
  });

  it("notices when Envoy serves from another endpoint than the one picked", async () => {
    const engines = await rigs.startEngines(2, () => ok);
    // Envoy knows the first engine only, the picker the second only.
    const running = await rigs.start({ engines: engines.slice(0, 1), routing: "override-host" });
    await running.setEndpoints(engines.slice(1));
    const served = await eventually("a request is served elsewhere", async () => {
      const response = await post(running.url);
      await response.text();
      const elsewhere = await running.metric("pointsman_served_elsewhere_total");
      return elsewhere > 0 ? elsewhere : undefined;
    });
    expect(served).toBeGreaterThan(0);
  });

  it("answers 413 to a body over the limit", async () => {
    const running = await aRig(ok, 1, { flags: ["--request-body-limit", "1KiB"] });
    const body = JSON.stringify({ model: "m", messages: [], padding: "x".repeat(2_000) });
    const response = await post(running.url, { body });
    expect(response.status).toBe(413);
    expect(((await response.json()) as { error: object }).error).toMatchObject({
      code: "body_too_large",
    });
  });
});
