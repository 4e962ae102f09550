import { afterEach, describe, expect, it } from "vitest";
import type { EngineSettings } from "../../src/simulator/engine-settings.ts";
import { type HttpGatewayOptions, startHttpGateway } from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** Engines, and a gateway without a limit for the time until an answer begins. */
async function aPool(
  settings: Partial<EngineSettings>,
  http: HttpGatewayOptions["http"],
  engines = 4,
) {
  const simulator = await startEngines({ engines, model: "llama", settings });
  opened.push(() => simulator.close());
  const gateway = await startHttpGateway({
    engines: simulator.engines.map(({ port }) => port),
    http: {
      connections: { connectTimeoutMs: 10_000, headTimeoutMs: 0, idleTimeoutMs: 0 },
      ...http,
    },
  });
  opened.push(gateway.close);
  const chat = async (text: string, isStreaming = true, signal?: AbortSignal) => {
    const messages = [{ role: "user", content: text }];
    const body = { model: "llama", max_tokens: 8, stream: isStreaming, messages };
    const answer = await gateway.ask(body, signal === undefined ? {} : { signal });
    const received = await answer.text();
    const isWhole = isStreaming ? received.endsWith("data: [DONE]\n\n") : answer.ok;
    return isWhole ? answer.status : "cut";
  };
  return {
    gateway,
    chat,
    /** `count` chats by `clients`, each one after another; the statuses of their answers. */
    load: async (count: number, clients: number, textOf: (index: number) => string) => {
      let sent = 0;
      const seen: unknown[] = [];
      const client = async () => {
        while (sent < count) {
          sent += 1;
          seen.push(await chat(textOf(sent)));
        }
      };
      await Promise.all(Array.from({ length: clients }, client));
      return seen;
    },
    set: (engine: number, changes: Partial<EngineSettings>) =>
      fetch(`http://127.0.0.1:${simulator.adminPort}/engines/engine-${engine}`, {
        method: "PATCH",
        body: JSON.stringify(changes),
      }),
    retries: async () => {
      const page = await gateway.page("/metrics");
      const [, count = "0"] = /^pointsman_retries_total(?:\{.*\})? (\d+)$/mu.exec(page) ?? [];
      return Number(count);
    },
  };
}

const shortSilence = { silenceMsMin: 1_000 };
const ok = (count: number) => Array.from({ length: count }, () => 200);
const short = (index: number) => `question ${index}`;
/** Some 12,000 tokens. */
const long = (index: number) => `${index} ${"word ".repeat(12_000)}`;

describe("an engine that hangs", () => {
  it("keeps no stream longer than its silence lasts, and is left out then", async () => {
    const pool = await aPool(fastEngine, shortSilence);
    await pool.load(60, 8, short);
    await pool.set(0, { hang: true });
    expect(await pool.load(100, 16, short)).toEqual(ok(100));
    expect(await pool.retries()).toBeGreaterThan(0);
    const ejected = await eventually("the ejection", async () => {
      await pool.load(16, 8, short);
      return pool.gateway.lines.find(({ msg }) => msg === "endpoint ejected");
    });
    expect(ejected).toMatchObject({ reason: expect.stringMatching(/refused|stalled/u) as string });
  });

  it.each([true, false])(
    "loses what waits there once health ejects it, also without a limit of silence (streamed: %s)",
    async (isStreaming) => {
      const pool = await aPool(fastEngine, { silenceMsMin: 0 });
      await pool.load(60, 8, short);
      await pool.set(0, { hang: true });
      // Some of these wait there; the others show that the pool answers. Health needs a stream that waits, since whole answers
      // may take long.
      const waiting = Array.from({ length: 32 }, (_, index) =>
        pool.chat(short(index), isStreaming || index % 2 === 0),
      );
      const over = new AbortController();
      const ask = async (client: number) => {
        for (let turn = 0; !over.signal.aborted; turn += 1) {
          await pool.chat(`${client} asks ${turn}`);
        }
      };
      const others = Array.from({ length: 8 }, (_, client) => ask(client));
      expect(await Promise.all(waiting)).toEqual(ok(32));
      over.abort();
      await Promise.all(others);
      expect(pool.gateway.lines.map(({ msg }) => msg)).toContain("endpoint ejected");
    },
  );

  it("keeps its requests if no other endpoint may take them", async () => {
    const pool = await aPool(fastEngine, shortSilence, 1);
    await pool.load(10, 2, short);
    await pool.set(0, { hang: true });
    const leaving = new AbortController();
    const waiting = pool.chat("question", true, leaving.signal);
    const early = await Promise.race([
      waiting,
      new Promise((resolve) => void setTimeout(() => resolve("waits"), 3_000)),
    ]);
    expect(early).toBe("waits");
    leaving.abort();
    await expect(waiting).rejects.toThrow(/abort/u);
  });
});

describe("engines that are slow and alive", () => {
  it("get no request twice when all are saturated", async () => {
    const busy = { ...fastEngine, stepBaseMs: 60, runningRequestsMax: 1 };
    const pool = await aPool(busy, shortSilence);
    // A queue of eight at each, and half a second for each answer.
    expect(await pool.load(48, 32, short)).toEqual(ok(48));
    expect(await pool.retries()).toBe(0);
  });

  it("get no request twice when one becomes twenty times as slow", async () => {
    const pool = await aPool({ ...fastEngine, stepBaseMs: 5 }, shortSilence);
    await pool.load(60, 8, short);
    await pool.set(0, { slowFactor: 20 });
    expect(await pool.load(60, 16, short)).toEqual(ok(60));
    expect(await pool.retries()).toBe(0);
  });

  it("get no long prompt twice, also the first one", async () => {
    const slow = { ...fastEngine, prefillTokensPerSecond: 5_000, stepTokensMax: 2_048 };
    const pool = await aPool(slow, shortSilence, 2);
    expect(await pool.load(6, 2, long)).toEqual(ok(6));
    expect(await pool.retries()).toBe(0);
  });
});
