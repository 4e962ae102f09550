import { Crew } from "../../src/demo/crew.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { Cell } from "./cells.ts";
import type { Contestant } from "./contestants.ts";
import { type Entrant, loopDelayMsIn, metricsOf, startEngines, startEntrant } from "./entrant.ts";
import { Load, type LoadOptions, type LoadResult } from "./load.ts";
import { preparedAnswer, preparedRequests } from "./messages.ts";
import { type Measure, measureOf } from "./measures.ts";
import type { CellRows } from "./table.ts";

/** Milliseconds between a contestant's turn and its load: its endpoints' metrics are old until it has read them. */
const settleMs = 500;

/** The load before the first cell; a contestant that is compiled needs less of it. */
const heatStreams = 32;
const heatBodyBytes = 2_048;
const compiledHeatMs = 1_000;

/** A large prompt beside a load comes so often. */
const besidePerSecond = 2;

const host = "127.0.0.1";

export interface RunOptions {
  /** The first is the reference. */
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly heatMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** Name that contestants are called by; undefined for their address. */
  readonly authority: string | undefined;
  readonly say: (line: string) => void;
}

/** Starts engines and all contestants, and gives each cell to each of them in turn. */
export async function runGroup(
  cells: readonly Cell[],
  options: RunOptions,
): Promise<readonly CellRows[]> {
  const [first] = cells;
  if (first === undefined) return [];
  const crew = await Crew.open(systemClock);
  try {
    const enginePorts = await startEngines(crew, first.endpoints);
    const turns = new Turns(options);
    for (const contestant of options.contestants) {
      const place = { crew, enginePorts, isTls: first.tls !== "off" };
      const entrant = await startEntrant(contestant, place);
      options.say(`${contestant.name}: picked ${Math.round(entrant.startMs)} ms after its start`);
      await turns.heat(entrant);
      entrant.processes.stop();
      turns.entrants.push(entrant);
    }
    const measured = await turns.measureAll(cells);
    await Promise.all(turns.entrants.map(({ processes }) => processes.end()));
    return measured;
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

class Turns {
  readonly entrants: Entrant[] = [];
  readonly #options: RunOptions;
  /** Rates of closed loops, by contestant and by what they send. */
  readonly #ratesMax = new Map<string, number>();
  /** Of the next load: no two send the same prompt. */
  #firstNumber = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** Compilers of JavaScript need tens of thousands of requests. */
  async heat(entrant: Entrant): Promise<void> {
    const { heatMs, say } = this.#options;
    const { name, isCompiled } = entrant.contestant;
    const { answered, failures } = await this.#load(entrant, {
      streams: heatStreams,
      requests: preparedRequests(heatBodyBytes, false),
      measuredMs: isCompiled ? Math.min(heatMs, compiledHeatMs) : heatMs,
      warmUpMs: 0,
    });
    say(`${name}: ${answered} requests to warm up${failuresIn(failures)}`);
  }

  async measureAll(cells: readonly Cell[]): Promise<readonly CellRows[]> {
    const rounds = new Map<string, Measure[]>();
    const keyOf = (cell: Cell, name: string) => `${cells.indexOf(cell)} ${name}`;
    for (let round = 0; round < this.#options.rounds; round += 1) {
      // Each contestant is first in half of the rounds.
      const order = round % 2 === 0 ? this.entrants : this.entrants.toReversed();
      for (const cell of cells) {
        for (const entrant of order) {
          const key = keyOf(cell, entrant.contestant.name);
          const measure = await this.#turn(entrant, cell);
          rounds.set(key, [...(rounds.get(key) ?? []), measure]);
        }
      }
    }
    return cells.map((cell) => ({
      cell,
      rows: this.entrants.map(({ contestant: { name } }) => ({
        name,
        rounds: rounds.get(keyOf(cell, name)) ?? [],
      })),
    }));
  }

  async #turn(entrant: Entrant, cell: Cell): Promise<Measure> {
    const ratePerSecond = await this.#rateOf(entrant, cell);
    return this.#whileAwake(entrant, () => this.#measure(entrant, cell, ratePerSecond));
  }

  /** Lets a contestant run for a while; it takes no time from others before and after. */
  async #whileAwake<T>({ processes }: Entrant, work: () => Promise<T>): Promise<T> {
    processes.resume();
    processes.emptyLogs();
    try {
      await systemClock.sleep(settleMs);
      return await work();
    } finally {
      processes.stop();
    }
  }

  async #rateOf(entrant: Entrant, cell: Cell): Promise<number> {
    const { arrivals } = cell;
    if (arrivals.kind === "closed") return 0;
    if (arrivals.kind === "rate") return arrivals.perSecond;
    const whose = arrivals.of === "own" ? entrant : (this.entrants[0] ?? entrant);
    return ((await this.#rateMaxOf(whose, cell)) * arrivals.percent) / 100;
  }

  async #rateMaxOf(entrant: Entrant, cell: Cell): Promise<number> {
    const { name } = entrant.contestant;
    const key = [name, cell.bodyBytes, cell.chunks, cell.tls].join(" ");
    const known = this.#ratesMax.get(key);
    if (known !== undefined) return known;
    const { measuredMs, answered } = await this.#whileAwake(entrant, () =>
      this.#load(entrant, loadOf(cell)),
    );
    const rate = (answered * 1_000) / measuredMs;
    this.#options.say(`${name} reaches ${Math.round(rate)} requests/s in a closed loop`);
    this.#ratesMax.set(key, rate);
    return rate;
  }

  async #measure(entrant: Entrant, cell: Cell, ratePerSecond: number): Promise<Measure> {
    const { processes, contestant } = entrant;
    const cpuMs = { start: 0, end: 0 };
    const { warmUpMs, measuredMs } = this.#options;
    const beside = this.#beside(entrant, cell);
    const scrapes = scraping(entrant, cell, warmUpMs + measuredMs);
    const load = this.#load(entrant, {
      ...loadOf(cell),
      ratePerSecond,
      onMark: (mark) => {
        cpuMs[mark] = processes.cpuMs();
      },
    });
    // The monitor of an event loop begins anew with each read.
    await systemClock.sleep(warmUpMs / 2);
    await metricsOf(entrant);
    const result = await load;
    const loopDelayP99Ms = loopDelayMsIn(await metricsOf(entrant));
    await beside;
    const measure = measureOf(result, {
      cpuMs: cpuMs.end - cpuMs.start,
      rssBytes: processes.rssBytes(),
      loopDelayP99Ms,
      scrapesMs: await scrapes,
    });
    const rate = Math.round(measure.requestsPerSecond);
    const cpuUs = Math.round(measure.cpuUsPerRequest);
    const failures = failuresIn(result.failures);
    this.#options.say(`  ${cell.name}, ${contestant.name}: ${rate}/s, ${cpuUs} us${failures}`);
    return measure;
  }

  #beside(entrant: Entrant, { besideBytes }: Cell): Promise<unknown> {
    if (besideBytes === 0) return Promise.resolve();
    return this.#load(entrant, {
      connections: 1,
      ratePerSecond: besidePerSecond,
      requests: preparedRequests(besideBytes, false),
    });
  }

  #load({ port, isTls }: Entrant, options: Partial<LoadOptions>): Promise<LoadResult> {
    const { warmUpMs, measuredMs, authority = `${host}:${port}` } = this.#options;
    const all: LoadOptions = {
      ...{ port, isTls, authority, warmUpMs, measuredMs },
      ...{ connections: 2, isShort: false, streams: 1, ratePerSecond: 0, abortEach: 0 },
      ...{ requests: [], answer: preparedAnswer(0), onMark: () => undefined },
      ...options,
    };
    const load = new Load(all, this.#firstNumber);
    this.#firstNumber += numbersPerLoad;
    return load.run();
  }
}

/** A bound of the requests of one load, divisible by the number of prepared ones. */
const numbersPerLoad = 1 << 22;

function loadOf(cell: Cell): Partial<LoadOptions> {
  return {
    streams: cell.streams,
    connections: cell.connections,
    isShort: cell.tls === "short",
    requests: preparedRequests(cell.bodyBytes, cell.chunks > 0),
    answer: preparedAnswer(cell.chunks),
  };
}

/** Reads the contestant's metrics for a time; the milliseconds of each read, in order. */
async function scraping(
  entrant: Entrant,
  { scrapeMs }: Cell,
  lengthMs: number,
): Promise<Float64Array> {
  const endMs = performance.now() + lengthMs;
  const times: number[] = [];
  if (scrapeMs === 0) return new Float64Array();
  while (performance.now() < endMs) {
    const startMs = performance.now();
    await metricsOf(entrant);
    times.push(performance.now() - startMs);
    await systemClock.sleep(scrapeMs);
  }
  return Float64Array.from(times).toSorted();
}

function failuresIn(failures: Readonly<Record<string, number>>): string {
  const all = Object.entries(failures).map(([text, count]) => `${count} x ${text}`);
  return all.length === 0 ? "" : `; failed: ${all.join(", ")}`;
}
