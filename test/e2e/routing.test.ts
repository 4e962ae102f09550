import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";
import { eventually } from "#test/support/wait.ts";

const chat = { model: "m", messages: [{ role: "user", content: "hello" }] };

/** Answers with bytes no JSON library would write in this form. */
const oddBytes = Buffer.from(
  '{ "id" :"x","usage":{"prompt_tokens":3,"completion_tokens":2} , "ä":"\\u00e4"}\n',
);

const events = Array.from({ length: 5 }, (_, index) => `data: {"choices":[],"i":${index}}\n\n`);

describe.each(["original-dst", "override-host"] as const)("Envoy routing by %s", (routing) => {
  let engines: ScriptedEngine[] = [];
  let rig: Rig;

  beforeAll(async () => {
    engines = await Promise.all(
      [0, 1, 2].map(() =>
        startScriptedEngine(async (request, response) => {
          if (request.path.startsWith("/slow-stream")) return;
          if (request.body.includes('"stream":true')) {
            response.writeHead(200, { "content-type": "text/event-stream" });
            for (const event of events) {
              response.write(event);

              await new Promise((resolve) => setTimeout(resolve, 100));
            }
            response.end("data: [DONE]\n\n");
          } else {
            response.writeHead(200, { "content-type": "application/json" });
            response.end(oddBytes);
          }
        }),
      ),
    );
    rig = await startRig({ engines, routing });
  });
  afterAll(async () => {
    await rig?.close();
    await Promise.all(engines.map((engine) => engine.close()));
  });

  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${rig.url}${path}`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...headers },
    });

  it("passes a completion and its request on byte for byte", async () => {
    const body = ` {"model" : "m", "messages":[{"role":"user","content":"h\\u00e4llo"}] } `;
    const response = await post("/v1/chat/completions", body, { "x-request-id": "plain-1" });
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(oddBytes)).toBe(true);
    const seen = engines
      .flatMap((engine) => engine.seen)
      .findLast(({ body: { length } }) => length > 0);
    expect(seen?.body.toString()).toBe(body);
    expect(seen?.path).toBe("/v1/chat/completions");
  });

  it("passes stream events on as they are produced, byte for byte", async () => {
    const response = await post("/v1/chat/completions", JSON.stringify({ ...chat, stream: true }));
    const arrivals: number[] = [];
    let text = "";
    for await (const chunk of response.body ?? []) {
      arrivals.push(performance.now());
      text += Buffer.from(chunk).toString();
    }
    expect(text).toBe(`${events.join("")}data: [DONE]\n\n`);
    // Five events 100 ms apart: buffered, they would arrive together.
    expect(arrivals.length).toBeGreaterThanOrEqual(5);
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(300);
  });

  it("sends each request where the picker decided", async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `agree-${routing}-${index}`);
    for (const id of ids) {
      const response = await post("/v1/chat/completions", JSON.stringify(chat), {
        "x-request-id": id,
      });
      await response.arrayBuffer();
    }
    const entries = await eventually("the access log has them all", async () => {
      const found = (await rig.accessLog()).filter(({ requestId }) => ids.includes(requestId));
      return found.length === ids.length ? found : undefined;
    });
    const decided = await eventually("the picker logged them all", () => {
      const found = rig.requestLog().filter(({ requestId }) => ids.includes(String(requestId)));
      return found.length === ids.length ? found : undefined;
    });
    const endpointOf = new Map(decided.map(({ requestId, endpoint }) => [requestId, endpoint]));
    for (const { requestId, upstream, picked } of entries) {
      expect(upstream).toBe(endpointOf.get(requestId));
      expect(picked).toBe(upstream);
    }
  });

  it("decides itself whatever destination a client asks for", async () => {
    const response = await post("/v1/chat/completions", JSON.stringify(chat), {
      "x-gateway-destination-endpoint": "127.0.0.1:1",
      "x-request-id": `spoof-${routing}`,
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    const entry = await eventually("it is logged", async () =>
      (await rig.accessLog()).find(({ requestId }) => requestId === `spoof-${routing}`),
    );
    expect(engines.map(({ port }) => `127.0.0.1:${port}`)).toContain(entry.upstream);
  });

  it("routes a request without a body, an unknown path and a body that is not JSON", async () => {
    const answers = await Promise.all([
      fetch(`${rig.url}/v1/models`),
      post("/anything/else", "x=1", { "content-type": "application/x-www-form-urlencoded" }),
      fetch(`${rig.url}/primary-gateway-test`, { method: "POST", body: '{"model":"m"}' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  });

  it.each([
    ["a body that is no JSON", "{oops", /line 1, column 2|byte|JSON/],
    ["a prompt that is no list", '{"model":"m","messages":{}}', /^messages: /],
  ])("refuses %s with 400 and says what is wrong", async (_, body, message) => {
    const response = await post("/v1/chat/completions", body);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/json");
    const { error } = (await response.json()) as { error: Record<string, string> };
    expect(error).toMatchObject({ type: "invalid_request_error", code: "malformed_request" });
    expect(error["message"]).toMatch(message);
  });

  it("passes a body of 20 MB on", async () => {
    const body = JSON.stringify({ ...chat, padding: "x".repeat(20_000_000) });
    const response = await post("/v1/chat/completions", body);
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    const longest = engines.flatMap(({ seen }) => seen.map((request) => request.body.length));
    expect(Math.max(...longest)).toBe(body.length);
  });

  it("reports no request in flight once all have finished", async () => {
    await eventually("in-flight counts are zero", async () =>
      (await rig.metric("llm_d_epp_inflight_requests")) === 0 ? true : undefined,
    );
    expect(await rig.metric("llm_d_epp_request_running")).toBe(0);
  });
});
