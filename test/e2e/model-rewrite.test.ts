import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";

/** A body whose bytes no JSON library would write so; the inner `model` is the client's own text. */
const bodyFor = (model: string, rest = "") =>
  ` {"user":{"model":"${model}"} , "model" : "${model}","messages":[{"role":"user","content":"h\\u00e4llo"}], "seed":12345678901234567890${rest}} `;

describe.each(["original-dst", "override-host"] as const)(
  "rewriting models, with %s",
  (routing) => {
    let engine: ScriptedEngine;
    let rig: Rig;

    beforeAll(async () => {
      engine = await startScriptedEngine(async (request, response) => {
        // The scripted engine is only asked with bodies of this form.
        const { model } = JSON.parse(request.body.toString()) as { model: string };
        if (request.body.includes('"stream":true')) {
          response.writeHead(200, { "content-type": "text/event-stream" });
          for (let index = 0; index < 3; index += 1) {
            const event = `data: {"id":"x","model":"${model}","choices":[{"text":"\\"model\\":\\"${model}\\""}]}\n\n`;
            // Cut within the name.
            const cut = event.indexOf(model) + 3;
            response.write(event.slice(0, cut));
            await new Promise((resolve) => setTimeout(resolve, 30));
            response.write(event.slice(cut));
          }
          response.end("data: [DONE]\n\n");
          return;
        }
        const answer = `{"id":"x", "model" : "${model}","choices":[{"text":"${model}"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`;
        response.writeHead(200, {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(answer),
        });
        response.end(answer);
      });
      rig = await startRig({
        engines: [engine],
        routing,
        apiVersion: "pointsman.dev/v1alpha1",
        scheduling: `modelRewrites:
- {matches: [{model: {value: alias}}], targets: [{modelRewrite: a-much-longer-adapter-name}]}
- {matches: [{model: {value: a-name-that-is-long}}], targets: [{modelRewrite: b}]}
decisions: {debugHeader: true}
`,
      });
    });
    afterAll(async () => {
      await rig?.close();
      await engine?.close();
    });

    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(`${rig.url}/v1/chat/completions`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
      });
    const seen = () => engine.seen.at(-1)?.body.toString();

    it.each([
      ["alias", "a-much-longer-adapter-name"],
      ["a-name-that-is-long", "b"],
    ])(
      "asks the engine for another model than %s and changes no other byte",
      async (model, target) => {
        const response = await post(bodyFor(model));
        expect(response.status).toBe(200);
        expect(seen()).toBe(
          bodyFor(model).replace(`"model" : "${model}"`, `"model" : "${target}"`),
        );
        expect(await response.text()).toBe(
          `{"id":"x", "model" : "${model}","choices":[{"text":"${target}"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
        );
      },
    );

    it("gives streams the client's name back, wherever their chunks are cut", async () => {
      const response = await post(bodyFor("alias", ',"stream":true'));
      const target = "a-much-longer-adapter-name";
      const event = `data: {"id":"x","model":"alias","choices":[{"text":"\\"model\\":\\"${target}\\""}]}\n\n`;
      expect(await response.text()).toBe(`${event.repeat(3)}data: [DONE]\n\n`);
    });

    it("does what the header says, and leaves other models alone", async () => {
      const response = await post(bodyFor("plain"), { "x-llm-d-model-name-rewrite": "canary" });
      expect(seen()).toContain('"model" : "canary"');
      expect(await response.text()).toContain('"model" : "plain"');
      await (await post(bodyFor("plain"))).text();
      expect(seen()).toBe(bodyFor("plain"));
    });

    it("names a model in a body that has none, where something says which", async () => {
      const nameless = '{"messages":[{"role":"user","content":"hi"}]}';
      const response = await post(nameless, { "x-llm-d-model-name-rewrite": "b" });
      expect(response.status).toBe(200);
      expect(seen()).toBe(nameless.replace("{", '{"model":"b",'));
      expect(await response.text()).toContain('"model" : "b"');
    });

    it("tells the id of the decision to a client that asks, and shows the decision under it", async () => {
      const response = await post(bodyFor("alias"), {
        "x-pointsman-debug": "true",
        "x-request-id": `debug-${routing}`,
      });
      await response.text();
      const id = response.headers.get("x-pointsman-decision");
      const port = rig.pickers[0]?.ports.metrics;
      const page = await fetch(`http://127.0.0.1:${port}/debug/decisions?id=${id}`);
      expect(await page.json()).toMatchObject({
        decisions: [
          {
            id: Number(id),
            requestId: `debug-${routing}`,
            model: "alias",
            targetModel: "a-much-longer-adapter-name",
            picked: [`default/e-${engine.port}`],
            profiles: [
              { name: "default", scorers: [{ name: "active-request-scorer", weight: 1 }] },
            ],
          },
        ],
      });
      const silent = await post(bodyFor("alias"));
      expect(silent.headers.get("x-pointsman-decision")).toBeNull();
      await silent.text();
    });
  },
);
