import { afterEach, describe, expect, it } from "vitest";
import { CHAT, SimulatorFixture, until } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

/** The event of a chat's token. */
function delta(content: string): unknown {
  return { choices: [{ delta: { content }, finish_reason: null }] };
}

/** The JSON of each event of a stream; `[DONE]` unchanged. */
async function eventsOf(response: Response): Promise<unknown[]> {
  const text = await response.text();
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((event) => {
      const payload = event.replace(/^data: /, "");
      return payload === "[DONE]" ? payload : JSON.parse(payload);
    });
}

interface Answer {
  readonly usage?:
    | { readonly prompt_tokens_details: { readonly cached_tokens: number } }
    | undefined;
  readonly choices: readonly {
    readonly text?: string;
    readonly message?: { readonly content: string };
    readonly delta?: { readonly content?: string };
  }[];
}

/** The text of an answer or of an event of a stream. */
function textOf(answer: unknown): string {
  // The simulator's own answers, whose fields the other tests check.
  const { choices } = answer as Answer;
  return choices
    .map(({ text, message, delta: part }) => text ?? message?.content ?? part?.content ?? "")
    .join("");
}

/** Content and cached tokens of a chat's answer, streamed or not. */
async function answerOf(
  response: Response,
): Promise<{ readonly content: string; readonly cachedTokens: number }> {
  const isStream = response.headers.get("content-type")?.includes("text/event-stream") === true;
  const parts = isStream ? (await eventsOf(response)).slice(0, -1) : [await response.json()];
  // As in textOf.
  const { usage } = parts.at(-1) as Answer;
  return {
    content: parts.map((part) => textOf(part)).join(""),
    cachedTokens: usage?.prompt_tokens_details.cached_tokens ?? Number.NaN,
  };
}

describe("chat completions", () => {
  it("answers whole, with usage and the engine's name", async () => {
    await sim.start();
    const response = await sim.post(
      "/v1/chat/completions",
      { ...CHAT, max_tokens: 3 },
      {
        headers: { "x-request-id": "r-1" },
      },
    );
    expect(response.status).toBe(200);
    expect(response.headers.get("x-served-by")).toBe("engine-0");
    expect(response.headers.get("x-request-id")).toBe("r-1");
    expect(await response.json()).toMatchObject({
      id: "chatcmpl-r-1",
      object: "chat.completion",
      model: "sim-model",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "the signal turns" },
          finish_reason: "length",
        },
      ],
      // "<user>" + 1,000 + newline + "<assistant>": 1,018 bytes, 254.5 tokens.
      usage: {
        prompt_tokens: 255,
        completion_tokens: 3,
        total_tokens: 258,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
  });

  it("streams a role, one event per token, the end, the usage and [DONE]", async () => {
    await sim.start();
    const response = await sim.post("/v1/chat/completions", {
      ...CHAT,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = await eventsOf(response);
    expect(events).toMatchObject([
      { object: "chat.completion.chunk", choices: [{ delta: { role: "assistant", content: "" } }] },
      delta("the"),
      delta(" signal"),
      delta(" turns"),
      delta(" green"),
      { choices: [{ delta: {}, finish_reason: "stop" }] },
      { choices: [], usage: { prompt_tokens: 255, completion_tokens: 4 } },
      "[DONE]",
    ]);
  });

  it("leaves the usage event out of a stream that did not ask for it", async () => {
    await sim.start();
    const response = await sim.chat({ stream: true });
    expect(await response.text()).not.toContain("usage");
  });

  it("reports the cached tokens of a repeated prompt and counts them as hits", async () => {
    await sim.start();
    await (await sim.chat()).text();
    const second: unknown = await (await sim.chat()).json();
    // 255 tokens: 15 full blocks of 16.
    expect(second).toMatchObject({ usage: { prompt_tokens_details: { cached_tokens: 240 } } });
    expect(await sim.sample("vllm:prefix_cache_hits_total{")).toBe(240);
    expect(await sim.sample("vllm:prefix_cache_queries_total{")).toBe(510);
  });

  it.each([false, true])(
    "hits the blocks of its own answers in later turns, streamed: %s",
    async (stream) => {
      await sim.start();
      const messages: { role: string; content: string }[] = [...CHAT.messages];
      const cached: number[] = [];
      for (const question of ["And then?", "What else?", "That is all."]) {
        const response = await sim.chat({
          messages,
          max_tokens: 200,
          stream,
          stream_options: { include_usage: true },
        });
        const { content, cachedTokens } = await answerOf(response);
        cached.push(cachedTokens);
        messages.push({ role: "assistant", content }, { role: "user", content: question });
      }
      // 255 tokens of prompt and 199 of answer are computed: 28 full blocks. Then the second prompt:
      // 1,018 bytes, 799 of answer, newline, "<user>And then?", newline, "<assistant>" are 1,845 bytes or 462 tokens,
      // and with 199 of its answer 661: 41 full blocks.
      expect(cached).toEqual([0, 28 * 16, 41 * 16]);
    },
  );

  it("hits the blocks of its answer in a completion that goes on from it", async () => {
    await sim.start();
    const prompt = "y".repeat(400);
    const first: unknown = await (
      await sim.post("/v1/completions", { prompt, max_tokens: 100 })
    ).json();
    expect(first).toMatchObject({ usage: { completion_tokens: 100 } });
    const text = textOf(first);
    const body = { prompt: `${prompt}${text} and on`, max_tokens: 1 };
    // 100 tokens of prompt and 99 of answer: 12 full blocks.
    expect(await (await sim.post("/v1/completions", body)).json()).toMatchObject({
      usage: { prompt_tokens_details: { cached_tokens: 192 } },
    });
  });

  it("keeps answers apart by model and by cache salt", async () => {
    await sim.start({ adapters: ["tuned"] });
    const { content } = await answerOf(await sim.chat({ max_tokens: 200 }));
    const messages = [
      ...CHAT.messages,
      { role: "assistant", content },
      { role: "user", content: "?" },
    ];
    for (const other of [{ model: "tuned" }, { cache_salt: "s" }]) {
      const { cachedTokens } = await answerOf(
        await sim.chat({ messages, max_tokens: 1, ...other }),
      );
      expect(cachedTokens).toBe(0);
    }
  });

  it("reports no cached tokens without prefix caching", async () => {
    await sim.start({ settings: { prefixCaching: false } });
    await (await sim.chat()).text();
    expect((await answerOf(await sim.chat())).cachedTokens).toBe(0);
    expect(await sim.sample("vllm:prefix_cache_queries_total{")).toBe(0);
    expect(await sim.metrics()).toContain('enable_prefix_caching="False"');
  });

  it("runs the lower priority first if it schedules by priority", async () => {
    await sim.start({
      settings: { priorityScheduling: true, runningRequestsMax: 1 },
    });
    const controller = new AbortController();
    await sim.longChat(controller.signal);
    const ended: number[] = [];
    const asked = [5, -1].map(async (priority, index) => {
      await until(async () => (await sim.sample("vllm:num_requests_waiting")) === index);
      await (await sim.chat({ priority })).text();
      ended.push(priority);
    });
    await until(async () => (await sim.sample("vllm:num_requests_waiting")) === 2);
    controller.abort();
    await Promise.all(asked);
    expect(ended).toEqual([-1, 5]);
  });

  it("refuses a priority if it does not schedule by priority, as vLLM does", async () => {
    await sim.start();
    const response = await sim.chat({ priority: 3 });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("Priority scheduling is not enabled");
    expect((await sim.chat({ priority: 0 })).status).toBe(200);
  });

  it.each([
    ["{", 400, "not valid JSON"],
    ["[]", 400, "must be a JSON object"],
    [{}, 400, "messages"],
    [{ messages: [{ content: "no role" }] }, 400, "messages"],
    [{ ...CHAT, max_tokens: 0 }, 400, "max_tokens"],
    [{ ...CHAT, max_completion_tokens: "5" }, 400, "max_completion_tokens"],
    [{ ...CHAT, model: 5 }, 400, "model"],
    [{ ...CHAT, priority: 0.5 }, 400, "priority"],
    [{ ...CHAT, model: "other" }, 404, "The model `other` does not exist."],
    [{ ...CHAT, max_tokens: 500_000 }, 400, "maximum context length is 400000 tokens"],
  ])("refuses %j with status %i", async (body, status, message) => {
    await sim.start();
    const response = await sim.post("/v1/chat/completions", body);
    expect(response.status).toBe(status);
    expect(response.headers.get("x-served-by")).toBe("engine-0");
    const answer: unknown = await response.json();
    expect(answer).toMatchObject({
      error: { code: status, message: expect.stringContaining(message) },
    });
  });

  it("frees the blocks of a client that leaves", async () => {
    await sim.start({ settings: { stepBaseMs: 20 } });
    const controller = new AbortController();
    const response = await sim.post(
      "/v1/chat/completions",
      { ...CHAT, stream: true, max_tokens: 10_000 },
      { signal: controller.signal },
    );
    expect(response.status).toBe(200);
    expect(await sim.state()).toMatchObject({ snapshot: { runningRequests: 1 } });
    controller.abort();
    await until(async () => (await sim.sample("vllm:num_requests_running")) === 0);
    expect(await sim.state()).toMatchObject({
      snapshot: { kvReferencedBlocks: 0 },
      endedRequests: { abort: 1 },
    });
  });

  it("refuses a body above 64 MiB", async () => {
    await sim.start();
    const body = "x".repeat(64 * 1_024 * 1_024 + 1);
    const outcome = await sim.post("/v1/chat/completions", body).then(
      (response) => response.status,
      // The answer arrives while the body is still being sent; some clients then abort.
      () => 413,
    );
    expect(outcome).toBe(413);
  });
});

describe("completions and embeddings", () => {
  it("completes each of several prompts as a choice of its own", async () => {
    await sim.start();
    const response = await sim.post("/v1/completions", {
      prompt: ["a".repeat(40), "b"],
      max_tokens: 2,
    });
    expect(await response.json()).toMatchObject({
      object: "text_completion",
      choices: [
        { index: 0, text: "the signal", finish_reason: "length" },
        { index: 1, text: "the signal", finish_reason: "length" },
      ],
      usage: { prompt_tokens: 11, completion_tokens: 4 },
    });
  });

  it("runs none of the prompts when one of them is too long", async () => {
    await sim.start({ settings: { kvCacheTokensMax: 64, slowFactor: 1_000 } });
    const response = await sim.post("/v1/completions", { prompt: ["a", "b".repeat(400)] });
    expect(response.status).toBe(400);
    expect(await sim.state()).toMatchObject({ snapshot: { runningRequests: 0 } });
  });

  it("takes token ids and streams completions", async () => {
    await sim.start();
    const response = await sim.post("/v1/completions", {
      prompt: [1, 2, 3],
      max_tokens: 1,
      stream: true,
    });
    expect(await eventsOf(response)).toMatchObject([
      { object: "text_completion", choices: [{ text: "the", finish_reason: null }] },
      { choices: [{ text: "", finish_reason: "length" }] },
      "[DONE]",
    ]);
  });

  it("embeds each input as a vector of the requested length", async () => {
    await sim.start();
    const response = await sim.post("/v1/embeddings", { input: ["a", "b"], dimensions: 3 });
    const vector = expect.arrayContaining([expect.any(Number)]);
    expect(await response.json()).toMatchObject({
      object: "list",
      data: [
        { index: 0, embedding: vector },
        { index: 1, embedding: vector },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 0, total_tokens: 2 },
    });
  });
});

describe("other routes", () => {
  it("lists the base model and its adapters", async () => {
    await sim.start({ model: "base", adapters: ["tuned"] });
    expect(await (await sim.get("/v1/models/")).json()).toMatchObject({
      object: "list",
      data: [
        { id: "base", root: "base", parent: null, max_model_len: 400_000 },
        { id: "tuned", root: "tuned", parent: "base" },
      ],
    });
  });

  it.each([
    ["GET", "/health", 200],
    ["GET", "/nothing", 404],
    ["GET", "/prefix/v1/models", 404],
    ["GET", "/v1/chat/completions", 405],
    ["POST", "/metrics", 405],
  ])("answers %s %s with status %i", async (method, path, status) => {
    await sim.start();
    expect((await sim.get(path, { method })).status).toBe(status);
  });
});
