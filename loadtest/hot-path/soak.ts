import { rename, writeFile } from "node:fs/promises";
import { Crew } from "../../src/demo/crew.ts";
import { systemClock } from "../../src/std/clock.ts";
import { type Contestant, documents, endpointsFileMark } from "./contestants.ts";
import {
  type Entrant,
  endpointsOf,
  loopDelayMsIn,
  metricsOf,
  startEngines,
  startEntrant,
} from "./entrant.ts";
import { Load, type LoadOptions, type LoadResult } from "./load.ts";
import { preparedAnswer, preparedRequests } from "./messages.ts";

const host = "127.0.0.1";
const mb = 1_000_000;

/** Shares of the rate: most answers come whole, some in events. */
const streamedShare = 0.1;
const eventsPerAnswer = 50;
/** Every so manieth client leaves. */
const abortEach = 10;
const bodyBytes = 2_048;
const streams = 32;

/** Milliseconds between two changes, and between two looks. */
const churnMs = 3_000;
const reloadMs = 15_000;
const lookMs = 10_000;

/** Endpoints that come and go. */
const movingEndpoints = 2;

/** Time to let go of what is in flight. */
const settleMs = 3_000;

/** Share of the time after which memory has to be flat. */
const warmShare = 1 / 3;

export interface SoakOptions {
  readonly contestant: Contestant;
  readonly endpoints: number;
  /** Of the rate that it reaches in a closed loop. */
  readonly percent: number;
  readonly heatMs: number;
  readonly lengthMs: number;
  readonly say: (line: string) => void;
}

interface Look {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  /** 99th percentile of the event loop's delay since the look before. */
  readonly loopDelayP99Ms: number;
}

/** A long load with clients that leave, endpoints that come and go, and new documents; what it left behind. */
export async function soak(options: SoakOptions): Promise<object> {
  const crew = await Crew.open(systemClock);
  try {
    const enginePorts = await startEngines(crew, options.endpoints);
    const entrant = await startEntrant(options.contestant, { crew, enginePorts, isTls: false });
    return await new Soak(options, entrant, enginePorts).run();
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #entrant: Entrant;
  readonly #enginePorts: readonly number[];
  readonly #looks: Look[] = [];
  #changes = 0;
  #reloads = 0;

  constructor(options: SoakOptions, entrant: Entrant, enginePorts: readonly number[]) {
    this.#options = options;
    this.#entrant = entrant;
    this.#enginePorts = enginePorts;
  }

  async run(): Promise<object> {
    const { heatMs, lengthMs, percent, say } = this.#options;
    const heat = await this.#load({ streams, measuredMs: heatMs });
    const rate = (((heat.answered * 1_000) / heat.measuredMs) * percent) / 100;
    say(`${Math.round(rate)} requests/s for ${lengthMs / 60_000} minutes`);
    const end = AbortSignal.timeout(lengthMs);
    const cpuMs = this.#entrant.processes.cpuMs();
    const measuredMs = lengthMs;
    const results = await Promise.all([
      this.#load({ ratePerSecond: rate * (1 - streamedShare), measuredMs, abortEach }),
      this.#load({
        ...{ ratePerSecond: rate * streamedShare, measuredMs, abortEach },
        ...{ requests: preparedRequests(bodyBytes, true), answer: preparedAnswer(eventsPerAnswer) },
      }),
      this.#each(churnMs, end, () => this.#churn()),
      this.#each(reloadMs, end, () => this.#reload()),
      this.#each(lookMs, end, () => this.#look()),
    ]);
    const usedMs = this.#entrant.processes.cpuMs() - cpuMs;
    await systemClock.sleep(settleMs);
    return { ...this.#summaryOf([results[0], results[1]], usedMs), ...(await this.#left()) };
  }

  #load(options: Partial<LoadOptions>): Promise<LoadResult> {
    const { port, isTls } = this.#entrant;
    const all: LoadOptions = {
      ...{ port, isTls, authority: `${host}:${port}`, connections: 2, isShort: false },
      ...{ streams: 1, ratePerSecond: 0, abortEach: 0, warmUpMs: 0, measuredMs: 0 },
      ...{ requests: preparedRequests(bodyBytes, false), answer: preparedAnswer(0) },
      ...{ onMark: () => undefined },
      ...options,
    };
    return new Load(all).run();
  }

  async #each(everyMs: number, end: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!end.aborted) {
      await systemClock.sleep(everyMs);
      await work();
    }
  }

  /** Takes some endpoints out of the pool, or brings them back. */
  async #churn(): Promise<void> {
    this.#changes += 1;
    const from = (this.#changes * movingEndpoints) % this.#enginePorts.length;
    const isOut = (index: number) => index >= from && index < from + movingEndpoints;
    const ports =
      this.#changes % 2 === 0
        ? this.#enginePorts
        : this.#enginePorts.filter((_, index) => !isOut(index));
    await replace(this.#entrant.endpointsFile, endpointsOf(ports));
    this.#entrant.processes.emptyLogs();
  }

  async #reload(): Promise<void> {
    this.#reloads += 1;
    const document = this.#reloads % 2 === 0 ? documents.own : documents.peer;
    const { configFile, endpointsFile } = this.#entrant;
    await replace(configFile, document.replaceAll(endpointsFileMark, endpointsFile));
  }

  async #look(): Promise<void> {
    const metrics = await metricsOf(this.#entrant);
    const look = {
      atMs: performance.now(),
      rssBytes: this.#entrant.processes.rssBytes(),
      heapBytes: gaugeIn(metrics, "nodejs_heap_size_used_bytes"),
      externalBytes: gaugeIn(metrics, "nodejs_external_memory_bytes"),
      loopDelayP99Ms: loopDelayMsIn(metrics),
    };
    this.#looks.push(look);
    const parts = [look.rssBytes, look.heapBytes, look.externalBytes].map((bytes) =>
      Math.round(bytes / mb),
    );
    this.#options.say(`RSS ${parts[0]} MB, heap ${parts[1]}, external ${parts[2]}`);
  }

  #summaryOf(results: readonly LoadResult[], usedMs: number): object {
    const sum = (of: (result: LoadResult) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    const answered = sum((result) => result.answered);
    const picksMs = results[0]?.picksMs ?? new Float64Array();
    const warm = this.#looks.slice(Math.floor(this.#looks.length * warmShare));
    return {
      answered,
      aborted: sum((result) => result.aborted),
      refused: sum((result) => result.refusalsMs.length),
      failures: Object.assign({}, ...results.map(({ failures }) => failures)),
      churns: this.#changes,
      reloads: this.#reloads,
      p99Ms: picksMs[Math.floor(picksMs.length * 0.99)],
      cpuUsPerRequest: Math.round((usedMs * 1_000) / answered),
      rssMb: Math.round((warm.at(-1)?.rssBytes ?? 0) / mb),
      rssMbMax: Math.round(Math.max(...this.#looks.map(({ rssBytes }) => rssBytes)) / mb),
      rssSlopeMbPerHour: slopeOf(warm) / mb,
      loopDelayP99Ms: loopDelaysOf(warm),
    };
  }

  /** What is in flight now, as the contestant's own page has it; undefined without one. */
  async #left(): Promise<object> {
    const url = `http://${host}:${this.#entrant.metricsPort}/debug/pool`;
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok !== true) return { inFlight: undefined };
    // The page of our own picker, whose shape its tests hold.
    const pool = (await response.json()) as { endpoints: readonly { inFlightRequests: number }[] };
    return {
      inFlight: pool.endpoints.reduce((sum, endpoint) => sum + endpoint.inFlightRequests, 0),
    };
  }
}

/** Changes a file at once, as editors do. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Median and maximum over the looks. */
function loopDelaysOf(looks: readonly Look[]) {
  const sorted = looks.map(({ loopDelayP99Ms }) => loopDelayP99Ms).toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
}

function gaugeIn(metrics: string, name: string): number {
  return Number(new RegExp(`^${name} ([\\d.e+]+)$`, "m").exec(metrics)?.[1] ?? Number.NaN);
}

const hourMs = 3_600_000;

/** Bytes an hour that memory grows by: the least squares over the looks. */
export function slopeOf(looks: readonly Pick<Look, "atMs" | "rssBytes">[]): number {
  const mean = (of: (look: Pick<Look, "atMs" | "rssBytes">) => number) =>
    looks.reduce((sum, look) => sum + of(look), 0) / looks.length;
  const at = mean(({ atMs }) => atMs);
  const rss = mean(({ rssBytes }) => rssBytes);
  const both = mean(({ atMs, rssBytes }) => (atMs - at) * (rssBytes - rss));
  return (both / mean(({ atMs }) => (atMs - at) ** 2)) * hourMs;
}
