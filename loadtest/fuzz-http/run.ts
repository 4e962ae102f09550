import { startSimulator } from "../../src/simulator/simulator.ts";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import { openTap } from "./engine-tap.ts";
import type { LoopbackServer } from "./loopback-server.ts";
import { exchangeCase } from "./exchange.ts";
import { type GatewayProcess, type Held, startGatewayProcess } from "./gateway-process.ts";
import { type FuzzCase, http1CaseOf } from "./http1-cases.ts";
import { http2CaseOf } from "./http2-cases.ts";
import { Ledger } from "./ledger.ts";
import { mistakesIn } from "./log-check.ts";
import { Pick } from "./pick.ts";

interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Connections of the whole run. */
  readonly casesMax: number;
  /** Connections at once. */
  readonly connections: number;
  readonly tell?: (line: string) => void;
}

interface FuzzReport {
  readonly seed: number;
  readonly seconds: number;
  readonly cases: number;
  readonly validCases: number;
  /** Requests that engines may get, as a strict reader finds them in what was sent. */
  readonly requestsAllowed: number;
  readonly requestsSeen: number;
  /** Requests between, which must all be answered. */
  readonly probes: number;
  /** By status; `h2` for HTTP/2, `none` for a connection without any answer. */
  readonly answers: Readonly<Record<string, number>>;
  readonly before: Held;
  readonly after: Held;
  readonly rssMbMax: number;
  readonly violations: readonly string[];
}

/** Growth beyond which something leaks, from a baseline after the first connections. */
const heapMbGrowthMax = 24;
const rssMbGrowthMax = 160;
const handlesGrowthMax = 8;

/** Connections before the baseline: code is compiled, and pools have their size. */
const warmUpCases = 400;
const engines = 2;
/** Time in which everything of clients that have left must be gone, and in which a usual request must be served. */
const settleMsMax = 60_000;
const probeMsMax = 30_000;
/** A busy machine must not look like engines that cannot be reached. */
const gatewayFlags = ["--connect-timeout", "30s"];

/** Runs a gateway in front of simulated engines, and holds what it does to what was sent. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const settings = { stepBaseMs: 0.1, decodeMsPerSequence: 0, prefillTokensPerSecond: 1e7 };
  const simulator = await startSimulator(
    { engines, port: 0, settings },
    { clock: systemClock, random: seededRandom(options.seed) },
  );
  const ledger = new Ledger();
  const taps = await Promise.all(simulator.engines.map(({ port }) => openTap(port, ledger)));
  const gateway = await startGatewayProcess(
    taps.map(({ port }) => port),
    gatewayFlags,
  );
  try {
    return await new FuzzRun(options, { ledger, taps, gateway }).run();
  } finally {
    await gateway.child.close();
    for (const tap of taps) tap.close();
    await simulator.close();
  }
}

interface Rig {
  readonly ledger: Ledger;
  readonly taps: readonly LoopbackServer[];
  readonly gateway: GatewayProcess;
}

class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #rig: Rig;
  readonly #pick: Pick;
  readonly #answers: Record<string, number> = {};
  #cases = 0;
  #validCases = 0;
  #ids = 0;
  #probes = 0;
  #rssMbMax = 0;
  #hasEnded = false;

  constructor(options: FuzzOptions, rig: Rig) {
    this.#options = options;
    this.#rig = rig;
    this.#pick = new Pick(seededRandom(options.seed));
    void rig.gateway.child.ended.then(() => void (this.#hasEnded = true));
  }

  async run(): Promise<FuzzReport> {
    const { seed, seconds, casesMax, tell } = this.#options;
    const { ledger, gateway } = this.#rig;
    await this.#probe();
    ledger.stopLearning();
    await this.#load(() => this.#cases < Math.min(warmUpCases, casesMax / 2));
    const before = await this.#settled();
    const startMs = systemClock.nowMs();
    const elapsed = () => (systemClock.nowMs() - startMs) / 1_000;
    const probes = this.#probeUntil(() => elapsed() >= seconds || this.#cases >= casesMax, tell);
    await this.#load(() => elapsed() < seconds && this.#cases < casesMax);
    const fuzzSeconds = Math.round(elapsed());
    await probes;
    const after = await this.#settled(before);
    const report = {
      ...{ seed, seconds: fuzzSeconds, cases: this.#cases, validCases: this.#validCases },
      ...{ requestsAllowed: ledger.allowedTotal, requestsSeen: ledger.seenTotal },
      ...{ probes: this.#probes, answers: this.#answers, before, after, rssMbMax: this.#rssMbMax },
    };
    const mistakes = [...mistakesIn(gateway.child.output()), ...leaksIn(report)];
    return { ...report, violations: [...ledger.violations, ...mistakes] };
  }

  async #load(goesOn: () => boolean): Promise<void> {
    const worker = async () => {
      while (goesOn() && !this.#hasEnded) await this.#case();
    };
    await Promise.all(Array.from({ length: this.#options.connections }, worker));
    if (this.#hasEnded) {
      const last = this.#rig.gateway.child.output().slice(-2_000);
      throw new Error(
        `the gateway ended after ${this.#cases} cases of seed ${this.#options.seed}:\n${last}`,
      );
    }
  }

  async #case(): Promise<void> {
    const { ledger, gateway } = this.#rig;
    const ids: string[] = [];
    const nextId = () => {
      this.#ids += 1;
      ids.push(`fz${this.#ids}`);
      return `fz${this.#ids}`;
    };
    const each = this.#pick.chance(0.7)
      ? http1CaseOf(this.#pick, nextId)
      : http2CaseOf(this.#pick, nextId);
    for (const request of each.allowed) ledger.allow(request);
    for (const id of ids) ledger.noteOrigin(id, each.bytes);
    this.#cases += 1;
    if (each.isValid) this.#validCases += 1;
    const statuses = await exchangeCase(gateway.port, each, this.#pick);
    this.#count(each, statuses);
  }

  #count(each: FuzzCase, statuses: readonly number[]): void {
    const { ledger } = this.#rig;
    if (statuses.length === 0) this.#answers["none"] = (this.#answers["none"] ?? 0) + 1;
    for (const status of statuses) {
      const name = status === 0 ? "h2" : String(status);
      this.#answers[name] = (this.#answers[name] ?? 0) + 1;
      // The engines are well, so that these would be failures of the gateway. Only a HEAD with a body that its engine
      // does not await may fail: the engine closes its connection with the head of the answer.
      if (status >= 500 && !each.bytes.includes("HEAD "))
        ledger.note(`status ${status}, ${each.kind}: ${shown(each.bytes)}`);
    }
    if (each.isValid && statuses.length !== each.allowed.length) {
      const counts = `${statuses.length} answers to ${each.allowed.length} valid requests`;
      ledger.note(`${counts}, ${each.kind}: ${shown(each.bytes)}`);
    }
  }

  async #probeUntil(isOver: () => boolean, tell: FuzzOptions["tell"]): Promise<void> {
    for (let tick = 0; !isOver() && !this.#hasEnded; tick += 1) {
      await systemClock.sleep(250);
      await this.#probe();
      // `#load` tells it.
      if (this.#hasEnded) return;
      const rssMb = this.#rig.gateway.rssMb();
      this.#rssMbMax = Math.max(this.#rssMbMax, rssMb);
      if (tick % 40 === 39) tell?.(`${this.#cases} connections, RSS ${rssMb} MB`);
    }
  }

  /** A usual request, which must be served whatever else is going on. */
  async #probe(): Promise<void> {
    if (this.#hasEnded) return;
    const { ledger, gateway } = this.#rig;
    this.#probes += 1;
    const body = JSON.stringify({
      model: "sim-model",
      messages: [{ role: "user", content: `probe ${this.#probes}` }],
      max_tokens: 2,
    });
    const target = `/v1/chat/completions?id=probe${this.#probes}`;
    // All that `fetch` sends, so that the ledger knows it.
    const headers = {
      ...{ "content-type": "application/json", connection: "close", accept: "*/*" },
      ...{ "accept-language": "*", "sec-fetch-mode": "cors", "user-agent": "node" },
      "accept-encoding": "gzip, deflate",
    };
    ledger.allow({ method: "POST", target, headers: Object.entries(headers), body });
    const signal = AbortSignal.timeout(probeMsMax);
    const url = `http://127.0.0.1:${gateway.port}${target}`;
    const status = await fetch(url, { method: "POST", headers, body, signal })
      .then(async (response) => {
        await response.text();
        return response.status;
      })
      .catch(String);
    if (status !== 200) ledger.note(`a usual request was not served: ${status}`);
  }

  /** What the gateway holds once nothing of clients is left, without the connections to its engines. */
  async #settled(before?: Held): Promise<Held> {
    const { gateway, taps } = this.#rig;
    const startMs = systemClock.nowMs();
    for (;;) {
      await systemClock.sleep(500);
      const held = await gateway.held();
      const toEngines = taps.reduce((sum, tap) => sum + tap.openConnections(), 0);
      const own = { ...held, handles: held.handles - toEngines };
      const isQuiet = own.clientConnections + own.requestsRunning + own.requestsWaiting === 0;
      const isBack = before === undefined || own.handles <= before.handles + handlesGrowthMax;
      if ((isQuiet && isBack) || systemClock.nowMs() - startMs > settleMsMax) return own;
    }
  }
}

interface Compared {
  readonly before: Held;
  readonly after: Held;
}

function leaksIn({ before, after }: Compared): string[] {
  const grown = (name: keyof Held) => Math.round(10 * (after[name] - before[name])) / 10;
  const checks: readonly (readonly [name: keyof Held, growthMax: number])[] = [
    ["heapMb", heapMbGrowthMax],
    ["rssMb", rssMbGrowthMax],
    ["handles", handlesGrowthMax],
    ["clientConnections", 0],
    ["requestsRunning", 0],
    ["requestsWaiting", 0],
  ];
  return checks
    .filter(([name, growthMax]) => grown(name) > growthMax)
    .map(([name, growthMax]) => `${name} grew by ${grown(name)}, more than ${growthMax}`);
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1").slice(0, 600));
}
