import assert from "node:assert/strict";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import type { EngineSettings } from "../../src/simulator/engine-settings.ts";
import {
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from "../../src/simulator/simulator.ts";

/** 1,000,000 prompt tokens and about 1,000 decode steps a second, so that no test waits. */
const FAST: Partial<EngineSettings> = {
  prefillTokensPerSecond: 1_000_000,
  stepBaseMs: 1,
  decodeMsPerSequence: 0,
  loraLoadMs: 1,
  outputTokens: 4,
};

/** A chat of 1,018 bytes: "<user>", 1,000 of content, a newline and "<assistant>". */
export const CHAT = { messages: [{ role: "user", content: "x".repeat(1_000) }] };

export const DEPS = { clock: systemClock, random: seededRandom(1) };

/** Starts simulators of fast engines on free ports, one at a time, and talks to them. */
export class SimulatorFixture {
  #simulator: Simulator | undefined;

  /** One fast engine unless told otherwise. */
  async start(options: SimulatorOptions = {}): Promise<void> {
    const { settings, ...rest } = options;
    this.#simulator = await startSimulator(
      { engines: 1, port: 0, ...rest, settings: { ...FAST, ...settings } },
      DEPS,
    );
  }

  async stop(): Promise<void> {
    await this.#simulator?.close();
    this.#simulator = undefined;
  }

  get simulator(): Simulator {
    assert(this.#simulator !== undefined, "start the simulator first");
    return this.#simulator;
  }

  /** Asks the first engine. */
  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.simulator.engines[0]?.port}${path}`, init);
  }

  /** Sends a body, as JSON unless it is text, to the first engine. */
  post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return this.get(path, { method: "POST", body: text, ...init });
  }

  chat(body: object = {}, init: RequestInit = {}): Promise<Response> {
    return this.post("/v1/chat/completions", { ...CHAT, ...body }, init);
  }

  /** A chat that outlasts every test. */
  longChat(signal: AbortSignal, body: object = {}): Promise<Response> {
    return this.chat({ max_tokens: 100_000, stream: true, ...body }, { signal });
  }

  admin(method: string, path: string, body?: unknown): Promise<Response> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    return fetch(`http://127.0.0.1:${this.simulator.adminPort}${path}`, init);
  }

  async state(path = "/engines/engine-0"): Promise<unknown> {
    return (await this.admin("GET", path)).json();
  }

  async metrics(): Promise<string> {
    return (await this.get("/metrics")).text();
  }

  /** The value of the first sample whose line starts with `prefix`. */
  async sample(prefix: string): Promise<number> {
    const lines = (await this.metrics()).split("\n");
    return Number(
      lines
        .find((line) => line.startsWith(prefix))
        ?.split(" ")
        .at(-1),
    );
  }
}

/** Resolves once `condition` holds; looks every 5 ms and gives up after `attempts`. */
export async function until(condition: () => Promise<boolean>, attempts = 500): Promise<void> {
  if (await condition()) return undefined;
  assert(attempts > 0, "the condition did not come true");
  await systemClock.sleep(5);
  return until(condition, attempts - 1);
}
