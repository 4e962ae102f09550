import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";

const alias = "別名";
const target = "org/a-much-longer-name";

/** The bytes of UTF-8, one character each, as `fetch` wants header values. */
const latin1 = (text: string) => Buffer.from(text).toString("latin1");
const chatBody = (model: string) =>
  `{"model":"${model}","messages":[{"role":"user","content":"hi"}]}`;

/** An engine that answers with the model that it was asked for, in JSON or in a form. */
const startEngine = () =>
  startScriptedEngine((request, response) => {
    const text = request.body.toString();
    const model = /(?:"model":|name="model"\r\n\r\n)"?([^"\r]*)/u.exec(text)?.[1] ?? "";
    const answer = JSON.stringify({ model, results: [{ text: model }] });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(answer);
  });

describe.each(["original-dst", "override-host"] as const)(
  "bodies of any API, with %s",
  (routing) => {
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
        flags: ["--request-body-limit", "100000"],
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
        .poll(() => rig.requestLog().at(-1))
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
      expect(file instanceof Blob && Buffer.from(await file.arrayBuffer()).equals(sound)).toBe(
        true,
      );
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
        .poll(() => rig.requestLog().at(-1))
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
      await expect.poll(() => skipped(reason)).toBe(before + 1);
      await expect.poll(() => rig.requestLog().at(-1)).toMatchObject({ rulesSkipped: reason });
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
      await expect.poll(() => rig.metricsPage()).toContain('fairness_id="tenant-ü"');
    });
  },
);

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
