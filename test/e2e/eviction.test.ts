import { afterEach, describe, expect, it } from "vitest";
import type { ServerResponse } from "node:http";
import { startHttpGateway } from "#test/support/http-gateway.ts";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";
import { eventually } from "#test/support/wait.ts";

/** An engine that streams a token at a time, on and on, and answers other requests never. */
class EndlessEngine {
  readonly arrived: string[] = [];
  /** Requests whose connection closed before their end. */
  readonly aborted: string[] = [];
  readonly open = new Map<string, ServerResponse>();
  engine: ScriptedEngine | undefined;

  async start(): Promise<ScriptedEngine> {
    this.engine = await startScriptedEngine(({ body }, response) => {
      if (body.length === 0) return void response.end();
      // The tests send chats that name their user.
      const { user, stream } = JSON.parse(body.toString()) as { user: string; stream: boolean };
      this.arrived.push(user);
      this.open.set(user, response);
      response.on("close", () => {
        if (!response.writableEnded) this.aborted.push(user);
        this.open.delete(user);
      });
      if (stream) this.tokens(user, 1);
    });
    return this.engine;
  }

  tokens(user: string, count: number): void {
    const response = this.open.get(user);
    if (response?.headersSent === false) {
      response.writeHead(200, { "content-type": "text/event-stream" });
    }
    const chunk = { choices: [{ index: 0, delta: { content: "Hi" } }] };
    for (let index = 0; index < count; index += 1) {
      response?.write(`data: ${JSON.stringify(chunk)}\n\n`);
    }
  }

  answer(user: string): void {
    this.open.get(user)?.end("{}");
  }
}

const documentOf = (
  plugins = "",
) => `- {type: concurrency-detector, parameters: {maxConcurrency: 1}}
${plugins}featureGates: [flowControl]
flowControl:
  enableEviction: true
  saturationDetector: {pluginRef: concurrency-detector}
objectives: [{name: urgent, priority: 100}, {name: batch, priority: -10}]
`;

let engine = new EndlessEngine();
let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  await engine.engine?.close();
  rig = undefined;
  engine = new EndlessEngine();
});

interface AskParts {
  readonly objective?: string;
  readonly stream?: boolean;
  readonly path?: string;
  readonly maxTokens?: number;
  /** Runs with the text so far. */
  readonly onText?: (text: string) => void;
}

async function ask(url: string, name: string, parts: AskParts = {}) {
  const { objective, stream = false, path = "/v1/chat/completions", maxTokens = 100 } = parts;
  const { onText = () => undefined } = parts;
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(objective === undefined ? {} : { "x-llm-d-inference-objective": objective }),
    },
    body: JSON.stringify({
      ...{ model: "m", user: name, stream, max_tokens: maxTokens },
      messages: [{ role: "user", content: name }],
    }),
  });
  return {
    status: response.status,
    reason: response.headers.get("x-llm-d-request-dropped-reason"),
    retryAfter: response.headers.get("retry-after"),
    ...(await textOf(response, onText)),
  };
}

/** The text up to its end, or until it is cut off. */
async function textOf(response: Response, onText: (text: string) => void) {
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      onText(text);
    }
    return { text, isCut: false };
  } catch {
    return { text, isCut: true };
  }
}

const has = (name: string, list: readonly string[]) =>
  eventually(name, () => (list.includes(name) ? true : undefined));

async function aRig(options: Partial<Parameters<typeof startRig>[0]> = {}): Promise<Rig> {
  rig = await startRig({
    engines: [await engine.start()],
    apiVersion: "pointsman.dev/v1alpha1",
    scheduling: documentOf(),
    ...options,
  });
  return rig;
}

describe.each([["--transport=http2"], ["--workers=2"]])(
  "an eviction behind Envoy, with %s",
  (flag) => {
    it("answers a request that has no answer with 429, and its engine sees the end of it", async () => {
      const running = await aRig({ flags: [flag] });
      const { url } = running;
      const batch = ask(url, "batch", { objective: "batch" });
      await has("batch", engine.arrived);
      const urgent = ask(url, "urgent", { objective: "urgent" });
      const { text, ...answer } = await batch;
      expect(answer).toEqual({
        isCut: false,
        status: 429,
        reason: "evicted",
        retryAfter: expect.stringMatching(/^\d+$/),
      });
      expect(JSON.parse(text)).toMatchObject({
        error: { code: "evicted", type: "rate_limit_error" },
      });
      await has("batch", engine.aborted);
      await has("urgent", engine.arrived);
      engine.answer("urgent");
      expect(await urgent).toMatchObject({ status: 200 });
      const page = await running.metricsPage();
      expect(page).toMatch(
        /^llm_d_epp_flow_control_revocations_issued_total\{priority="100",.*\} 1$/m,
      );
      expect(page).toMatch(
        /^llm_d_epp_flow_control_revocations_total\{outcome="confirmed",.*\} 1$/m,
      );
    });

    it("spares a stream of which most has passed, and requests that are not of a priority below 0", async () => {
      const { url } = await aRig({ flags: [flag] });
      let passed = "";
      const onText = (text: string) => void (passed = text);
      const batch = ask(url, "batch", { objective: "batch", stream: true, maxTokens: 10, onText });
      await has("batch", engine.arrived);
      // Each in a chunk of its own.
      for (let token = 2; token <= 7; token += 1) {
        engine.tokens("batch", 1);
        await eventually(`${token} tokens`, () =>
          passed.split("data:").length > token ? true : undefined,
        );
      }
      const urgent = ask(url, "urgent", { objective: "urgent" });
      await eventually("it waits", async () =>
        (await rig?.metric("llm_d_epp_flow_control_queue_size")) === 1 ? true : undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(engine.aborted).toEqual([]);
      engine.answer("batch");
      await batch;
      await has("urgent", engine.arrived);
      const more = ask(url, "more", { objective: "urgent" });
      await eventually("it waits", async () =>
        (await rig?.metric("llm_d_epp_flow_control_queue_size")) === 1 ? true : undefined,
      );
      engine.answer("urgent");
      expect(await urgent).toMatchObject({ status: 200 });
      await has("more", engine.arrived);
      engine.answer("more");
      expect(await more).toMatchObject({ status: 200 });
    });

    it.each([
      ["/v1/chat/completions", /\n\ndata: \{"error":\{.*"code":"evicted"\}\}\n\n$/],
      [
        "/v1/messages",
        /\n\nevent: error\ndata: \{"type":"error","error":\{"type":"rate_limit_error".*\}\n\n$/,
      ],
    ])(
      "ends a stream of %s with an error of its API, and its engine sees the end of it",
      async (path, end) => {
        const { url } = await aRig({ flags: [flag] });
        const batch = ask(url, "batch", { objective: "batch", stream: true, path });
        await has("batch", engine.arrived);
        await eventually("the stream has begun", async () =>
          (await rig?.metric("llm_d_epp_flow_control_queue_size")) === 0 ? true : undefined,
        );
        const urgent = ask(url, "urgent", { objective: "urgent" });
        expect(await batch).toMatchObject({ status: 200, text: expect.stringMatching(end) });
        await has("batch", engine.aborted);
        await has("urgent", engine.arrived);
        engine.answer("urgent");
        expect(await urgent).toMatchObject({ status: 200 });
      },
    );
  },
);

describe("an eviction behind Envoy", () => {
  it("resets a stream that it cannot end with an error", async () => {
    const { url } = await aRig({ envoy: { responseBodyMode: "STREAMED" } });
    const batch = ask(url, "batch", { objective: "batch", stream: true });
    await has("batch", engine.arrived);
    const urgent = ask(url, "urgent", { objective: "urgent" });
    expect(await batch).toMatchObject({ isCut: true });
    await has("batch", engine.aborted);
    await has("urgent", engine.arrived);
    engine.answer("urgent");
    await urgent;
  });
});

describe("an eviction of pointsman gateway", () => {
  it.each([
    [false, { status: 429, reason: "evicted", text: expect.stringContaining('"code":"evicted"') }],
    [
      true,
      {
        status: 200,
        text: expect.stringMatching(/\n\ndata: \{"error":.*"code":"evicted"\}\}\n\n$/),
      },
    ],
  ])(
    "ends a request as an error, and its engine sees it (stream: %s)",
    async (stream, expected) => {
      const gateway = await startHttpGateway({
        engines: [(await engine.start()).port],
        ignoresModels: true,
        document: `apiVersion: pointsman.dev/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n${documentOf()}`,
      });
      try {
        const batch = ask(gateway.origin, "batch", { objective: "batch", stream });
        await has("batch", engine.arrived);
        const urgent = ask(gateway.origin, "urgent", { objective: "urgent" });
        expect(await batch).toMatchObject(expected);
        await has("batch", engine.aborted);
        await has("urgent", engine.arrived);
        engine.answer("urgent");
        expect(await urgent).toMatchObject({ status: 200 });
      } finally {
        await gateway.close();
      }
    },
  );
});
