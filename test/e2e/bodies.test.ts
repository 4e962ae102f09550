import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { eventually } from "#test/support/wait.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";

const alias = "別名";
const target = "org/a-much-longer-name";

/** The bytes of UTF-8, one character each, as `fetch` wants header values. */
const latin1 = (text: string) => Buffer.from(text).toString("latin1");
const chatBody = (model: string) =>
  `{"model":"${model}","messages":[{"role":"user","content":"hi"}]}`;

const jsonOf = (model: string): RequestInit => ({
  body: JSON.stringify({ model, max_tokens: 1, messages: [{ role: "user", content: "hi" }] }),
  headers: { "content-type": "application/json" },
});
const packedOf = (model: string): RequestInit => ({
  body: gzipSync(JSON.stringify({ query: "q", model })),
  headers: { "content-type": "application/json", "content-encoding": "gzip" },
});
const formOf = (model: string): RequestInit => {
  const body = new FormData();
  body.set("file", new Blob(["RIFF"]), "a.wav");
  body.set("model", model);
  return { body };
};

/** An engine that answers with the model that it was asked for, in JSON or in a form. */
const startEngine = () =>
  startScriptedEngine((request, response) => {
    const text = request.body.toString();
    const model = /(?:"model":|name="model"\r\n\r\n)"?([^"\r]*)/u.exec(text)?.[1] ?? "";
    const answer = JSON.stringify({ model, results: [{ text: model }] });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(answer);
  });

describe.each([
  ["original-dst", "http2"],
  ["override-host", "http2"],
  ["original-dst", "grpc-js"],
] as const)("bodies of any API, with %s over %s", (routing, transport) => {
  let engine: ScriptedEngine;
  let rig: Rig;

  beforeAll(async () => {
    engine = await startEngine();
    rig = await startRig({
      engines: [engine],
      routing,
      apiVersion: "pointsman.dev/v1alpha1",
      scheduling: `modelRewrites:
- {matches: [{model: {value: ${alias}}}], targets: [{modelRewrite: ${target}}]}
`,
      flags: ["--request-body-limit", "100000", "--transport", transport],
    });
  });
  afterAll(async () => {
    await rig?.close();
    await engine?.close();
  });

  const post = (
    path: string,
    body: NonNullable<RequestInit["body"]>,
    headers: Record<string, string> = {},
  ) => fetch(`${rig.url}${path}`, { method: "POST", body, headers });
  const json = { "content-type": "application/json" };
  const seen = () => engine.seen.at(-1);
  const skipped = async (reason: string) =>
    Number(
      new RegExp(`pointsman_model_rules_skipped_total\\{reason="${reason}"\\} (\\d+)`).exec(
        await rig.metricsPage(),
      )?.[1],
    );

  it.each([
    "/v1/rerank",
    "/v2/rerank",
    "/score",
    "/tokenize",
    "/v1/audio/speech",
    "/v1/responses/resp_1/compact?x=1",
    "/of/tomorrow",
  ])("are rewritten at %s, and their answers restored", async (path) => {
    const body = (model: string) => `{ "n":1e2,"model":"${model}","documents":["${alias}"]}`;
    const response = await post(path, body(alias), json);
    expect(await response.json()).toEqual({ model: alias, results: [{ text: target }] });
    expect(seen()?.body.toString()).toBe(body(target));
    await expect
      .poll(() => rig.requestLog().at(-1), { timeout: 10_000 })
      .toMatchObject({ api: "json", model: alias, targetModel: target });
  });

  it.each([true, false])("are rewritten in a form whose file is first: %s", async (isFirst) => {
    const sound = Buffer.from(Array.from({ length: 60_000 }, (_, index) => index % 256));
    const form = new FormData();
    if (isFirst) form.set("file", new Blob([sound]), "a.wav");
    form.set("model", alias);
    if (!isFirst) form.set("file", new Blob([sound]), "a.wav");
    const response = await post("/v1/audio/transcriptions", form);
    expect(await response.json()).toMatchObject({ model: alias });
    const { body, headers } = seen() ?? {};
    const boundary = /boundary=(\S+)/u.exec(headers?.["content-type"] ?? "")?.[1] ?? "";
    const read = await new Response(new Uint8Array(body ?? []), {
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    }).formData();
    expect(read.get("model")).toBe(target);
    const file = read.get("file");
    expect(file instanceof Blob && Buffer.from(await file.arrayBuffer()).equals(sound)).toBe(true);
    expect(Number(headers?.["content-length"] ?? body?.length)).toBe(body?.length);
  });

  it("are rewritten where they are compressed, and go out plain", async () => {
    const headers = { ...json, "content-encoding": "gzip" };
    const response = await post("/v1/chat/completions", gzipSync(chatBody(alias)), headers);
    expect(await response.json()).toMatchObject({ model: alias });
    expect(seen()?.body.toString()).toBe(chatBody(target));
    expect(seen()?.headers).not.toHaveProperty("content-encoding");

    const packed = gzipSync(chatBody("another"));
    await (await post("/v1/chat/completions", packed, headers)).text();
    expect(seen()?.body.equals(packed)).toBe(true);
    expect(seen()?.headers["content-encoding"]).toBe("gzip");
    await expect
      .poll(() => rig.requestLog().at(-1), { timeout: 10_000 })
      .toMatchObject({ api: "chat", model: "another" });
  });

  it.for<[string, string, string, Record<string, string>]>([
    ["encoding", "/v1/score", `{"model":"${alias}"}`, { "content-encoding": "compress" }],
    ["too_long", "/v1/score", `{"model":"${alias}","pad":"${"x".repeat(150_000)}"}`, {}],
    ["no_model", "/v1/of/tomorrow", `{"query":"q"}`, {}],
  ])("pass as they are and are counted: %s", async ([reason, path, body, headers]) => {
    const before = await skipped(reason);
    const response = await post(path, body, { ...json, ...headers });
    expect(response.status).toBe(200);
    await response.text();
    expect(seen()?.body.toString()).toBe(body);
    await expect.poll(() => skipped(reason), { timeout: 10_000 }).toBe(before + 1);
    await expect
      .poll(() => rig.requestLog().at(-1), { timeout: 10_000 })
      .toMatchObject({ rulesSkipped: reason });
  });

  it("go without a model where none is needed", async () => {
    for (const body of [
      '{"messages":[]}',
      '{"model":null,"messages":[]}',
      '{"model":7,"messages":[]}',
    ]) {
      const response = await post("/v1/chat/completions", body, json);
      expect(response.status).toBe(200);
      await response.text();
      expect(seen()?.body.toString()).toBe(body);
    }
  });

  it("take a model and a fairness id outside of ASCII from headers", async () => {
    const headers = {
      ...json,
      "x-llm-d-model-name-rewrite": latin1("模型-é"),
      "x-llm-d-inference-fairness-id": latin1("tenant-ü"),
    };
    const response = await post("/v1/rerank", '{"model":"m","query":"q"}', headers);
    expect(await response.json()).toMatchObject({ model: "m" });
    expect(seen()?.body.toString()).toBe('{"model":"模型-é","query":"q"}');
    await expect
      .poll(() => rig.metricsPage(), { timeout: 10_000 })
      .toContain('fairness_id="tenant-ü"');
  });
});

describe.each(["BUFFERED", "STREAMED"] as const)("bodies that the proxy sends %s", (mode) => {
  let engine: ScriptedEngine;
  let rig: Rig;

  beforeAll(async () => {
    engine = await startEngine();
    rig = await startRig({
      engines: [engine],
      apiVersion: "pointsman.dev/v1alpha1",
      scheduling: `modelRewrites:
- {matches: [{model: {value: ${alias}}}], targets: [{modelRewrite: ${target}}]}
`,
      envoy: { requestBodyMode: mode },
    });
  });
  afterAll(async () => {
    await rig?.close();
    await engine?.close();
  });

  it.each<[string, (model: string) => RequestInit]>([
    ["JSON", jsonOf],
    ["compressed JSON", packedOf],
    ["a form", formOf],
  ])("are rewritten as %s, or said not to be", async (_, bodyOf) => {
    const response = await fetch(`${rig.url}/v1/rerank`, { method: "POST", ...bodyOf(alias) });
    const isShown = mode === "BUFFERED";
    expect(response.status).toBe(200);
    await response.text();
    const { headers, body } = engine.seen.at(-1) ?? {};
    expect(body?.includes(target)).toBe(isShown);
    expect(headers?.["content-encoding"]).toBe(
      bodyOf === packedOf && !isShown ? "gzip" : undefined,
    );
    await expect
      .poll(() => rig.requestLog().at(-1)?.["rulesSkipped"], { timeout: 10_000 })
      .toBe(isShown ? undefined : "not_shown");
  });
});

describe("models that endpoints list", () => {
  let engines: ScriptedEngine[];
  let rig: Rig;

  beforeAll(async () => {
    engines = await Promise.all(
      ["left", "right"].map((id) =>
        startScriptedEngine((request, response) => {
          const isList = request.path === "/v1/models";
          response.writeHead(200, { "content-type": "application/json" });
          response.end(JSON.stringify(isList ? { data: [{ id }] } : { model: id }));
        }),
      ),
    );
    rig = await startRig({
      engines,
      scheduling: `- type: models-data-source
  parameters: {interval: 100ms}
- type: models-data-extractor
  parameters: {rejectUnknownModels: true}
`,
      sources: `  - pluginRef: models-data-source
    extractors: [{pluginRef: models-data-extractor}]
`,
    });
    await eventually("the lists are read", async () =>
      (await ask("/v1/score", "neither", jsonOf)).status === 404 ? true : undefined,
    );
  });
  afterAll(async () => {
    await rig?.close();
    for (const engine of engines ?? []) await engine.close();
  });

  const ask = (path: string, model: string, bodyOf: (model: string) => RequestInit) =>
    fetch(`${rig.url}${path}`, { method: "POST", ...bodyOf(model) });

  const bodies: [string, (model: string) => RequestInit][] = [
    ["/v1/messages", jsonOf],
    ["/v1/rerank", jsonOf],
    ["/v1/score", packedOf],
    ["/v1/audio/transcriptions", formOf],
  ];

  it.each(bodies)("get the requests at %s", async (path, bodyOf) => {
    for (const model of ["left", "right", "left", "right", "left", "right"]) {
      const response = await ask(path, model, bodyOf);
      expect(await response.json()).toEqual({ model });
    }
  });

  it.each(bodies)("refuse others at %s in the shape of its API", async (path, bodyOf) => {
    const message = 'no model server serves the model "neither"';
    const response = await ask(path, "neither", bodyOf);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject(
      path === "/v1/messages"
        ? { type: "error", error: { type: "not_found_error", message } }
        : { error: { type: "invalid_request_error", code: "model_not_found", message } },
    );
  });

  it("refuse a chat without a model, which they cannot be compared with", async () => {
    const response = await ask("/v1/chat/completions", "", jsonOf);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "malformed_request" } });
  });
});

describe("an upload that nobody reads", () => {
  let engine: ScriptedEngine;
  let rig: Rig;

  beforeAll(async () => {
    engine = await startEngine();
    rig = await startRig({ engines: [engine], flags: ["--request-body-limit", "100000"] });
  });
  afterAll(async () => {
    await rig?.close();
    await engine?.close();
  });

  it.each(["application/octet-stream", "multipart/form-data; boundary=b", "application/json"])(
    "of type %s passes beyond the limit of bodies",
    async (contentType) => {
      const body = Buffer.alloc(1_000_000, 0x61);
      const response = await fetch(`${rig.url}/v1/files`, {
        method: "POST",
        body,
        headers: { "content-type": contentType },
      });
      expect(response.status).toBe(200);
      await response.text();
      expect(engine.seen.at(-1)?.body.equals(body)).toBe(true);
    },
  );
});
