import type { ServerResponse } from "node:http";
import { type ScriptedEngine, startScriptedEngine } from "./scripted-engine.ts";
import { eventually } from "./wait.ts";

interface HeldRequest {
  /** Its field `user`. */
  readonly name: string;
  readonly engine: ScriptedEngine;
  readonly response: ServerResponse;
}

/** Engines that answer a request once a test says so, and keep the order in which requests came. */
export class HeldEngines {
  /** Names of all requests that reached an engine, in order. */
  readonly arrived: string[] = [];
  #running: HeldRequest[] = [];
  readonly #engines: ScriptedEngine[] = [];
  #mostRunning = 0;

  async start(count: number): Promise<readonly ScriptedEngine[]> {
    const starts = Array.from({ length: count }, () => this.#startOne());
    const started = await Promise.all(starts);
    this.#engines.push(...started);
    return started;
  }

  get running(): number {
    return this.#running.length;
  }

  /** The largest number of requests that ran at a time. */
  get mostRunning(): number {
    return this.#mostRunning;
  }

  /** Resolves once this many requests reached engines in all. */
  reached(count: number): Promise<true> {
    return eventually(`${count} requests at engines, there were ${this.arrived.length}`, () =>
      this.arrived.length >= count ? true : undefined,
    );
  }

  /** Answers the request that has run longest. */
  answerOne(): void {
    const first = this.#running.shift();
    first?.response.writeHead(200, { "content-type": "application/json" });
    first?.response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1}}');
  }

  /** Answers one request after the other until this many have reached engines; returns their names. */
  async answerUntil(count: number): Promise<readonly string[]> {
    while (this.arrived.length < count) {
      const before = this.arrived.length;
      this.answerOne();
      await this.reached(before + 1);
    }
    return this.arrived;
  }

  /** Answers all that runs, and all that comes from now on. */
  answerAll(): void {
    this.#answersAtOnce = true;
    while (this.#running.length > 0) this.answerOne();
  }

  /** Closes an engine and cuts its connections. */
  async kill(index: number): Promise<void> {
    await this.#engines[index]?.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  #answersAtOnce = false;

  async #startOne(): Promise<ScriptedEngine> {
    const engine = await startScriptedEngine(({ body }, response) => {
      if (body.length === 0) {
        response.end();
        return;
      }
      // The tests send chats that name their user.
      const { user } = JSON.parse(body.toString()) as { readonly user: string };
      const request = { name: user, engine, response };
      this.arrived.push(user);
      this.#running.push(request);
      this.#mostRunning = Math.max(this.#mostRunning, this.#running.length);
      response.on("close", () => {
        this.#running = this.#running.filter((each) => each !== request);
      });
      if (this.#answersAtOnce) this.answerOne();
    });
    return engine;
  }
}
