import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";

const priorityIn = (sent: string) => Number(/^\{"priority":(-?\d+),/u.exec(sent)?.[1]);

describe.each(["original-dst", "override-host"] as const)(
  "priorities for engines, with %s",
  (routing) => {
    const bodies: string[] = [];
    let engine: ScriptedEngine;
    let rig: Rig;

    beforeAll(async () => {
      engine = await startScriptedEngine((request, response) => {
        bodies.push(request.body.toString());
        response.writeHead(200, { "content-type": "application/json" }).end("{}");
      });
      rig = await startRig({
        engines: [engine],
        routing,
        apiVersion: "pointsman.dev/v1alpha1",
        scheduling: `- {type: engine-priority-writer}
objectives:
- {name: urgent, priority: 3}
modelRewrites:
- {matches: [{model: {value: alias}}], targets: [{modelRewrite: adapter}]}
`,
      });
    });
    afterAll(async () => {
      await rig?.close();
      await engine?.close();
    });

    async function sentFor(body: string, headers: Record<string, string> = {}): Promise<string> {
      bodies.length = 0;
      const response = await fetch(`${rig.url}/v1/chat/completions`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
      });
      expect(response.status).toBe(200);
      await response.text();
      return bodies.join();
    }

    it("are the time of arrival, in front of a body that does not change otherwise", async () => {
      const beforeMs = Date.now();
      const body = `{ "model":"m","messages":[{"role":"user","content":"h\\u00e4llo"}], "seed":12345678901234567890 }`;
      const sent = await sentFor(body);
      const priority = priorityIn(sent);
      expect(sent).toBe(body.replace("{", `{"priority":${priority},`));
      expect(priority).toBeGreaterThanOrEqual(beforeMs);
      // A prompt of a few tokens takes a millisecond or so.
      expect(priority).toBeLessThan(Date.now() + 1_000);
    });

    it("are a minute less for each unit of the objective's priority", async () => {
      const body = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`;
      const sent = await sentFor(body, { "x-llm-d-inference-objective": "urgent" });
      expect(priorityIn(sent)).toBeLessThan(Date.now() - 2 * 60_000);
    });

    it("come with the other name of a model", async () => {
      const sent = await sentFor(`{"model":"alias","messages":[{"role":"user","content":"hi"}]}`);
      expect(JSON.parse(sent)).toMatchObject({ model: "adapter", priority: expect.any(Number) });
    });

    it("of the client stay as they are", async () => {
      const body = `{"model":"m","priority":4,"messages":[{"role":"user","content":"hi"}]}`;
      expect(await sentFor(body)).toBe(body);
    });

    it("are not added to bodies of other APIs", async () => {
      bodies.length = 0;
      await fetch(`${rig.url}/v2/anything`, {
        method: "POST",
        body: `{"model":"m"}`,
        headers: { "content-type": "application/json" },
      });
      expect(bodies).toEqual([`{"model":"m"}`]);
    });
  },
);
