import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Crew } from "../../src/demo/crew.ts";
import type { EngineEvent } from "../../src/simulator/engine-contract.ts";
import { systemClock } from "../../src/std/clock.ts";
import { cpuMsOf } from "../ext-proc-exchange.ts";
import { type Engine, startEngine } from "./engines.ts";
import { PickerClient, startPicker } from "./picker.ts";
import { type Conversation, model, type PlannedTurn } from "./workloads.ts";

/** Milliseconds for conversations that are under way when the last one has begun. */
const usualDrainMsMax = 20_000;

/** Requests under way at a time; those due beyond it are not sent and count as failed. */
const underWayMax = 5_000;

const streamEnd = "data: [DONE]\n\n";

/** What stands for the path of the endpoints file in a document. */
export const endpointsFileMark = "ENDPOINTS_FILE";

/** How one request went. Times are milliseconds after the run's start. */
export interface Sent {
  readonly sentAtMs: number;
  /** `ip:port`; undefined where it was not picked. */
  readonly hostPort?: string | undefined;
  /** Undefined where there was none until the run's end. */
  readonly firstTokenAtMs?: number | undefined;
  readonly endedAtMs?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  /** Why it failed; undefined for one that is well or still under way. */
  readonly failure?: string | undefined;
  readonly pickMs?: number | undefined;
}

export interface RunRecord {
  readonly sent: readonly Sent[];
  /** Endpoints, in order. */
  readonly hostPorts: readonly string[];
  /** When the run ended. */
  readonly endMs: number;
  readonly pickerCpuMs: number;
  /** How late requests were sent, at the most. */
  readonly lateMsMost: number;
}

export interface RunOptions {
  readonly engines: number;
  readonly loraSeriesMax: number;
  readonly adapters: readonly string[];
  readonly plan: readonly Conversation[];
  readonly command: readonly string[];
  /** With `ENDPOINTS_FILE` for that path. */
  readonly document: string;
  /** The same for this run, if it differs. */
  readonly drainMsMax?: number | undefined;
  readonly say: (line: string) => void;
}

/** Runs a plan once, with engines and a picker of its own that go with the crew. */
export async function runOnce(options: RunOptions, crew: Crew): Promise<RunRecord> {
  const { engines: count, adapters, loraSeriesMax, document, command, plan, say } = options;
  const engines = await Promise.all(
    Array.from({ length: count }, () => startEngine({ adapters, loraSeriesMax })),
  );
  try {
    const endpointsFile = path.join(crew.folder, "endpoints.json");
    const endpoints = engines.map(({ hostPort }, index) => {
      const [address, port] = hostPort.split(":");
      return { name: `engine-${index}`, namespace: "default", address, port };
    });
    await writeFile(endpointsFile, JSON.stringify({ endpoints }));
    const text = document.replaceAll(endpointsFileMark, endpointsFile);
    const picker = await startPicker({ command, document: text }, crew);
    say(`  the picker's admin port is ${picker.metricsPort}`);
    const client = new PickerClient(picker);
    const cpuAtStartMs = cpuMsOf(picker.pid);
    const run = new Run(client, engines, options.drainMsMax ?? usualDrainMsMax);
    await Promise.race([run.all(plan), crew.death]);
    const pickerCpuMs = cpuMsOf(picker.pid) - cpuAtStartMs;
    client.close();
    return { ...run.record(), hostPorts: engines.map(({ hostPort }) => hostPort), pickerCpuMs };
  } finally {
    for (const engine of engines) engine.close();
  }
}

class Run {
  readonly #client: PickerClient;
  readonly #engines: ReadonlyMap<string, Engine>;
  readonly #sent: Partial<Mutable<Sent>>[] = [];
  readonly #startMs = systemClock.nowMs();
  readonly #end = new AbortController();
  readonly #drainMsMax: number;
  #underWay = 0;
  #lateMsMost = 0;

  constructor(client: PickerClient, engines: readonly Engine[], drainMsMax: number) {
    this.#drainMsMax = drainMsMax;
    this.#client = client;
    this.#engines = new Map(engines.map((engine) => [engine.hostPort, engine]));
  }

  async all(plan: readonly Conversation[]): Promise<void> {
    const pending: Promise<void>[] = [];
    for (const { atMs, turns } of plan) {
      const waitMs = atMs - this.#nowMs();
      if (waitMs > 0) await systemClock.sleep(waitMs);
      this.#lateMsMost = Math.max(this.#lateMsMost, this.#nowMs() - atMs);
      pending.push(this.#converse(turns));
    }
    const cancel = systemClock.after(this.#drainMsMax, () => this.#end.abort());
    await Promise.all(pending);
    cancel();
  }

  record(): Omit<RunRecord, "hostPorts" | "pickerCpuMs"> {
    const sent = this.#sent.map((one) => ({ ...one, sentAtMs: one.sentAtMs ?? 0 }));
    return { sent, endMs: this.#nowMs(), lateMsMost: this.#lateMsMost };
  }

  #nowMs(): number {
    return systemClock.nowMs() - this.#startMs;
  }

  async #converse(turns: readonly PlannedTurn[]): Promise<void> {
    for (const [index, { body, thinkMs }] of turns.entries()) {
      if (index > 0) await systemClock.sleep(thinkMs, this.#end.signal);
      if (this.#end.signal.aborted) return;
      if (!(await this.#send(body))) return;
    }
  }

  /** Whether it was answered. */
  async #send(body: string): Promise<boolean> {
    const sent: Partial<Mutable<Sent>> = { sentAtMs: this.#nowMs() };
    this.#sent.push(sent);
    if (this.#underWay >= underWayMax) {
      sent.failure = "held back";
      return false;
    }
    this.#underWay += 1;
    try {
      const picked = await this.#client.pick(`r-${this.#sent.length}`, body);
      sent.pickMs = this.#nowMs() - (sent.sentAtMs ?? 0);
      sent.hostPort = picked.hostPort;
      const engine = this.#engines.get(picked.hostPort);
      if (engine === undefined) throw new Error(`picked ${picked.hostPort}, which is no endpoint`);
      await this.#answer(engine, body, { sent, picked });
    } catch (cause) {
      sent.failure = cause instanceof Error ? cause.message : String(cause);
    }
    this.#underWay -= 1;
    return sent.failure === undefined && sent.endedAtMs !== undefined;
  }

  #answer(
    engine: Engine,
    body: string,
    { sent, picked }: { readonly sent: Partial<Mutable<Sent>>; readonly picked: Picked },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const submitted = engine.submit(body, (event) => {
        if (event.kind === "failed") reject(new Error("the engine failed"));
        if (event.kind === "first-token") {
          sent.firstTokenAtMs = event.atMs - this.#startMs;
          picked.begin(chunkOf({ role: "assistant", content: "a" }));
        }
        if (event.kind !== "finished") return;
        sent.endedAtMs = event.atMs - this.#startMs;
        sent.cachedTokens = event.cachedTokens;
        picked.end(chunkOf({ content: "b" }) + usageOf(event, promptTokens) + streamEnd);
        resolve();
      });
      const promptTokens = submitted.kind === "taken" ? submitted.promptTokens : 0;
      if (submitted.kind === "refused") reject(new Error(submitted.reason));
      if (this.#end.signal.aborted) resolve();
      else this.#end.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Picked = Awaited<ReturnType<PickerClient["pick"]>>;

function chunkOf(delta: object): string {
  const choices = [{ index: 0, delta, finish_reason: null }];
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", model, choices })}\n\n`;
}

function usageOf({ cachedTokens, outputTokens }: EngineEvent, promptTokens: number): string {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", model, choices: [], usage })}\n\n`;
}
