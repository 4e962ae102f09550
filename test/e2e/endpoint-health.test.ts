import { describe, expect, it } from "vitest";
import { jsonLines } from "#test/support/json-lines.ts";
import type { RigOptions } from "#test/support/rig.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";
import { eventually } from "#test/support/wait.ts";

const rigs = scriptedRigs();

/** Answers as a test says at the moment, by the engine's index. */
type Answer = (index: number) => { readonly httpStatus: number; readonly models?: string[] };

async function aRig(count: number, answer: Answer, options: Partial<RigOptions> = {}) {
  await rigs.startEngines(count, (index) => ({ path }, response) => {
    const { httpStatus, models = [] } = answer(index);
    const isList = path === "/v1/models";
    response.writeHead(isList ? 200 : httpStatus, { "content-type": "application/json" });
    response.end(JSON.stringify(isList ? { data: models.map((id) => ({ id })) } : {}));
  });
  return rigs.start({ apiVersion: "pointsman.dev/v1alpha1", ...options });
}

async function ask(url: string, model = "m"): Promise<{ httpStatus: number; text: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello." }] }),
  });
  return { httpStatus: response.status, text: await response.text() };
}

/** One streamed chat with this question. */
function askText(url: string, content: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "m",
      stream: !content.startsWith("A long one"),
      messages: [{ role: "user", content }],
    }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function statusesOf(url: string, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let sent = 0; sent < count; sent += 1) statuses.push((await ask(url)).httpStatus);
  return statuses;
}

/** Requests for completions that an engine got. */
const askedOf = (index: number) =>
  rigs.engines()[index]?.seen.filter(({ path }) => path === "/v1/chat/completions").length ?? 0;

const failures = (statuses: readonly number[]) => statuses.filter((status) => status >= 500).length;

describe("an endpoint behind Envoy", () => {
  it("gets no more requests after three failures in a row, and returns when it is well", async () => {
    let isIll = true;
    const running = await aRig(3, (index) => ({ httpStatus: isIll && index === 1 ? 500 : 200 }), {
      scheduling: "health: {ejectionTime: 1s, slowStart: 1s}",
    });
    expect(failures(await statusesOf(running.url, 60))).toBeLessThanOrEqual(4);
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBeGreaterThanOrEqual(1);
    expect(await running.metricsPage()).toContain('reason="failures"');
    isIll = false;
    const before = askedOf(1);
    await eventually("it gets its share again", async () => {
      expect(failures(await statusesOf(running.url, 10))).toBeLessThanOrEqual(1);
      return askedOf(1) > before + 20 ? true : undefined;
    });
  });

  it("gets no more requests if it answers everything at once with a single token", async () => {
    await rigs.startEngines(3, (index) => (_, response) => {
      const tokens = index === 0 ? 1 : 20;
      response.writeHead(200, { "content-type": "text/event-stream" });
      const choices = [{ index: 0, delta: { content: "Hi " } }];
      response.write(`data: ${JSON.stringify({ choices })}\n\n`.repeat(tokens));
      const usage = { prompt_tokens: 9, completion_tokens: tokens, total_tokens: 9 + tokens };
      const end = `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;
      setTimeout(() => response.end(end), tokens * 5);
    });
    const running = await rigs.start({ apiVersion: "pointsman.dev/v1alpha1" });
    const askMany = async (count: number) => {
      const questions = Array.from({ length: count }, (__, index) => `Question ${index}?`);
      await Promise.all(
        questions.map(async (question) => (await askText(running.url, question)).text()),
      );
    };
    for (let round = 0; round < 12; round += 1) await askMany(9);
    const before = askedOf(0);
    await askMany(30);
    expect(askedOf(0)).toBe(before);
    expect(await running.metricsPage()).toContain('reason="short"');
  });

  it("gets no more requests soon after nobody can reach it", async () => {
    const running = await aRig(3, () => ({ httpStatus: 200 }));
    await statusesOf(running.url, 12);
    await rigs.engines()[2]?.close();
    expect(failures(await statusesOf(running.url, 60))).toBeLessThanOrEqual(4);
  });

  it("gets no more requests where it is one of three in four that cannot be reached", async () => {
    const running = await aRig(4, () => ({ httpStatus: 200 }));
    await statusesOf(running.url, 12);
    const dead = rigs.engines().slice(1);
    await Promise.all(dead.map((engine) => engine.close()));
    // Each costs nine requests at most until it is known to be dead, and none later. How many it takes for all
    // three to have had theirs is up to the load, which differs on a busy machine.
    expect(failures(await statusesOf(running.url, 260))).toBeLessThanOrEqual(27);
    expect(failures(await statusesOf(running.url, 200))).toBe(0);
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBe(3);
    const ejected = running.pickers.flatMap(({ child }) =>
      jsonLines(child.output()).filter(({ msg }) => msg === "endpoint ejected"),
    );
    expect(ejected).toHaveLength(3);
    for (const { evidence } of ejected) expect(Object.keys(Object(evidence))).not.toEqual([]);
  });

  it("keeps its requests while a long completion without streaming is all that it works on", async () => {
    await rigs.startEngines(3, () => ({ body }, response) => {
      const isLong = body.toString().includes("A long one");
      setTimeout(() => response.end("{}"), isLong ? 3_000 : 5);
      response.setHeader("content-type", "application/json");
    });
    const running = await rigs.start({
      apiVersion: "pointsman.dev/v1alpha1",
      scheduling: "health: {stallTimeout: 500ms}",
    });
    await statusesOf(running.url, 12);
    const state = { isOver: false };
    const long = askText(running.url, "A long one.").finally(() => {
      state.isOver = true;
    });
    while (!state.isOver) await statusesOf(running.url, 5);
    expect((await long).status).toBe(200);
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBe(0);
  });

  it("keeps its requests however often the clients that stick to it hang up", async () => {
    await rigs.startEngines(3, () => ({ body }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const token = { choices: [{ index: 0, delta: { content: "Hi" } }] };
      response.write(`data: ${JSON.stringify(token)}\n\n`);
      if (!body.toString().includes("Tell me all")) response.end("data: [DONE]\n\n");
    });
    const running = await rigs.start({ apiVersion: "pointsman.dev/v1alpha1" });
    const story = `Tell me all. ${"Once upon a time there was a signalman. ".repeat(60)}`;
    for (let round = 0; round < 40; round += 1) {
      const gone = new AbortController();
      const { body } = await askText(running.url, story, gone.signal);
      await body?.getReader().read();
      gone.abort();
      await (await askText(running.url, `Hello ${round}.`)).text();
    }
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBe(0);
  });

  it("keeps its requests while one client's bad request fails at every engine, and is sent again", async () => {
    await rigs.startEngines(3, () => ({ body }, response) => {
      const isPoison = body.toString().includes("Poison");
      response.writeHead(isPoison ? 500 : 200, { "content-type": "application/json" });
      response.end("{}");
    });
    const running = await rigs.start({ apiVersion: "pointsman.dev/v1alpha1" });
    await statusesOf(running.url, 12);
    for (let round = 0; round < 15; round += 1) {
      for (let again = 0; again < 4; again += 1) {
        await (await askText(running.url, "Poison.")).text();
      }
      await ask(running.url, "m");
    }
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBe(0);
  });

  it("gets all requests where it is the only one, however it answers", async () => {
    const running = await aRig(1, () => ({ httpStatus: 500 }));
    expect(await statusesOf(running.url, 20)).toEqual(Array.from({ length: 20 }, () => 500));
    expect(askedOf(0)).toBe(20);
    expect(await running.metric("pointsman_endpoint_ejections_total")).toBe(0);
  });

  it("gets no new request while it drains, and some again after it", async () => {
    const running = await aRig(2, () => ({ httpStatus: 200 }));
    await statusesOf(running.url, 10);
    const [first, second] = rigs.engines();
    if (first === undefined || second === undefined) throw new Error("there are two");
    await running.setEndpoints([{ ...first, labels: { "pointsman.dev/drain": "true" } }, second]);
    await eventually("the label is read", async () => {
      const before = askedOf(0);
      await statusesOf(running.url, 10);
      return askedOf(0) === before ? true : undefined;
    });
    const atDrain = askedOf(0);
    expect(failures(await statusesOf(running.url, 20))).toBe(0);
    expect(askedOf(0)).toBe(atDrain);
    await running.setEndpoints([first, second]);
    await eventually("the label is gone", async () => {
      const before = askedOf(0);
      await statusesOf(running.url, 10);
      return askedOf(0) > before ? true : undefined;
    });
  });

  it("gets the requests for the models it lists, and nobody those that no endpoint lists", async () => {
    const running = await aRig(
      2,
      (index) => ({ httpStatus: 200, models: [index === 0 ? "left" : "right"] }),
      {
        scheduling: `- type: models-data-source
  parameters: {interval: 100ms}
- type: models-data-extractor
  parameters: {rejectUnknownModels: true}
`,
        sources: `  - pluginRef: models-data-source
    extractors: [{pluginRef: models-data-extractor}]
`,
      },
    );
    await eventually("the lists are read", async () =>
      (await ask(running.url, "neither")).httpStatus === 404 ? true : undefined,
    );
    const [before, others] = [askedOf(0), askedOf(1)];
    for (let sent = 0; sent < 10; sent += 1) {
      expect((await ask(running.url, "left")).httpStatus).toBe(200);
    }
    expect([askedOf(0) - before, askedOf(1) - others]).toEqual([10, 0]);
    expect(JSON.parse((await ask(running.url, "neither")).text)).toEqual({
      error: {
        message: 'no model server serves the model "neither"',
        type: "invalid_request_error",
        code: "model_not_found",
      },
    });
    expect(running.pickers[0]?.child.output()).not.toContain("(bug)");
  });
});
