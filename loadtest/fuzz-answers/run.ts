import { EngineConnections } from "../../src/data-plane/ingress/http/engine-connections.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { askEngine, type Told } from "../../test/support/ask-engine.ts";
import { Pick } from "../fuzz-http/pick.ts";
import type { LoopbackServer } from "../fuzz-http/loopback-server.ts";
import { startHostileEngine } from "./engine.ts";

interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly casesMax: number;
  /** Requests at once. */
  readonly requests: number;
}

interface FuzzReport {
  readonly seed: number;
  readonly seconds: number;
  readonly cases: number;
  /** By failure; `answered` for answers. */
  readonly told: Readonly<Record<string, number>>;
  readonly heapMbGrowth: number;
  readonly violations: readonly string[];
}

/** A short time for the answers that never end. */
const timeouts = { connectTimeoutMs: 30_000, headTimeoutMs: 100, idleTimeoutMs: 100 };

const warmUpCases = 500;
const violationsMax = 20;
const heapMbGrowthMax = 24;
const settleMsMax = 5_000;
const mark = /\[\[(\w*)\]\]/gu;

/** Asks a hostile engine, and holds each answer to the request that it belongs to. */
export async function runAnswerFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const pick = new Pick(seededRandom(options.seed));
  const engine = await startHostileEngine(pick);
  try {
    return await new AnswerFuzz(options, engine).run();
  } finally {
    engine.close();
  }
}

class AnswerFuzz {
  readonly #options: FuzzOptions;
  readonly #engine: LoopbackServer;
  readonly #connections = new EngineConnections(timeouts, systemClock);
  readonly #told: Record<string, number> = {};
  readonly #violations: string[] = [];
  #cases = 0;

  constructor(options: FuzzOptions, engine: LoopbackServer) {
    this.#options = options;
    this.#engine = engine;
  }

  async run(): Promise<FuzzReport> {
    const { seed, seconds, casesMax } = this.#options;
    const startMs = systemClock.nowMs();
    const elapsed = () => (systemClock.nowMs() - startMs) / 1_000;
    await this.#load(() => this.#cases < Math.min(warmUpCases, casesMax));
    const before = heapMb();
    await this.#load(() => elapsed() < seconds && this.#cases < casesMax);
    this.#connections.close();
    await this.#settle();
    const heapMbGrowth = Math.round(heapMb() - before);
    if (heapMbGrowth > heapMbGrowthMax)
      this.#violations.push(`the heap grew by ${heapMbGrowth} MB`);
    const [cases, told, violations] = [this.#cases, this.#told, this.#violations];
    return { seed, seconds: Math.round(elapsed()), cases, told, heapMbGrowth, violations };
  }

  async #load(goesOn: () => boolean): Promise<void> {
    const worker = async () => {
      while (goesOn() && this.#violations.length < violationsMax) await this.#case();
    };
    await Promise.all(Array.from({ length: this.#options.requests }, worker));
  }

  async #case(): Promise<void> {
    this.#cases += 1;
    const id = `fz${this.#cases}`;
    const hostPort = `127.0.0.1:${this.#engine.port}`;
    const asking = { connections: this.#connections, hostPort };
    const told = await askEngine({ method: "GET", path: `/${id}` }, asking);
    const kind = typeof told === "string" ? told : "answered";
    this.#told[kind] = (this.#told[kind] ?? 0) + 1;
    this.#check(id, told);
  }

  #check(id: string, told: Told): void {
    if (typeof told === "string") return;
    const foreign = [...told.body.matchAll(mark)].find(([, found]) => found !== id);
    if (foreign !== undefined) this.#violations.push(`${id} got the answer of ${foreign[1]}`);
  }

  async #settle(): Promise<void> {
    const endMs = systemClock.nowMs() + settleMsMax;
    while (this.#engine.openConnections() > 0 && systemClock.nowMs() < endMs) {
      await systemClock.sleep(10);
    }
    const open = this.#engine.openConnections();
    if (open > 0) this.#violations.push(`${open} connections are still open`);
  }
}

function heapMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1_048_576;
}
