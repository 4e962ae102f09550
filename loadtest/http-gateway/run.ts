import { mkdir } from "node:fs/promises";
import path from "node:path";
import { request } from "undici";
import { Crew } from "../../src/demo/crew.ts";
import { systemClock } from "../../src/std/clock.ts";
import { events, plainBody } from "./answers.ts";
import { type Cell, textOf } from "./cells.ts";
import type { Contestant, Way } from "./contestants.ts";
import { Load } from "./load.ts";
import { type Measure, measureOf } from "./measures.ts";
import { Processes } from "./processes.ts";
import { chatBodyOf, requestsOf } from "./requests.ts";

/** Milliseconds until a contestant has to serve, between two tries, and between its turn and the load. */
const readyMsMax = 30_000;
const tryMs = 10;
const settleMs = 200;

/** The load before the first cell. */
const heatConnections = 16;
const heatBodyBytes = 2_048;
/** Enough for one that is compiled. */
const briefHeatMs = 1_000;

export interface RunOptions {
  readonly contestants: readonly Contestant[];
  readonly cells: readonly Cell[];
  readonly engines: number;
  /** Load that each contestant gets once, before the first cell; less if it is compiled. */
  readonly heatMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly say: (line: string) => void;
}

/** Results of one contestant in one round. */
export interface RoundOf {
  readonly name: string;
  /** Milliseconds from its start to its first answer; 0 without a process. */
  readonly startMs: number;
  readonly rssStartBytes: number;
  readonly rssEndBytes: number;
  readonly measures: readonly Measure[];
}

interface Entrant {
  readonly contestant: Contestant;
  readonly processes: Processes;
  readonly way: Way;
  readonly startMs: number;
  readonly rssStartBytes: number;
  readonly measures: Measure[];
}

/** Starts engines and every contestant, then gives each cell to each of them in turn. */
export async function runRound(options: RunOptions): Promise<readonly RoundOf[]> {
  const crew = await Crew.open(systemClock);
  try {
    const enginePorts = await startEngines(crew, options.engines);
    const entrants: Entrant[] = [];
    for (const contestant of options.contestants) {
      const entrant = await startContestant(contestant, { crew, enginePorts });
      options.say(`${contestant.name}: ready after ${Math.round(entrant.startMs)} ms`);
      await heat(entrant, options);
      entrant.processes.stop();
      entrants.push(entrant);
    }
    for (const cell of options.cells) {
      for (const entrant of entrants) entrant.measures.push(await measure(entrant, cell, options));
    }
    return await Promise.all(entrants.map(resultOf));
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

async function startEngines(crew: Crew, count: number): Promise<readonly number[]> {
  const child = crew.start({
    name: "the engines",
    program: process.execPath,
    argv: [path.join(import.meta.dirname, "engine.ts"), String(count)],
    env: process.env,
  });
  const line = await Promise.race([child.line(/^\{"ports"/), crew.death]);
  // The engine process prints this line.
  return (JSON.parse(line) as { readonly ports: readonly number[] }).ports;
}

async function startContestant(
  contestant: Contestant,
  { crew, enginePorts }: { readonly crew: Crew; readonly enginePorts: readonly number[] },
): Promise<Entrant> {
  const folder = path.join(crew.folder, contestant.name);
  await mkdir(folder);
  const processes = new Processes(crew);
  const beganMs = performance.now();
  const way = await contestant.start({ processes, enginePorts, folder });
  try {
    await Promise.race([untilServed(way), crew.death]);
  } catch (cause) {
    throw new Error(`${contestant.name} did not start:\n${processes.lastWords()}`, { cause });
  }
  const startMs = contestant.name === "straight" ? 0 : performance.now() - beganMs;
  await checkStream(contestant.name, way);
  const rssStartBytes = processes.rssBytes();
  return { contestant, processes, way, startMs, rssStartBytes, measures: [] };
}

async function untilServed(way: Way): Promise<void> {
  const endMs = performance.now() + readyMsMax;
  for (;;) {
    const answer = await ask(way, false).catch(() => undefined);
    if (answer?.status === 200) return;
    if (performance.now() > endMs) throw new Error(`the last status was ${answer?.status}`);
    await systemClock.sleep(tryMs);
  }
}

/** A contestant that changes events would not do the same work. */
async function checkStream(name: string, way: Way): Promise<void> {
  const { status, text } = await ask(way, true);
  if (status === 200 && text === events.join("")) return;
  throw new Error(`${name} changes streams: status ${status}, ${text.length} characters`);
}

async function ask(
  { port, headers }: Way,
  isStream: boolean,
): Promise<{ readonly status: number; readonly text: string }> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: chatBodyOf(1_024, isStream, 0),
    headersTimeout: 5_000,
    // A connection that is kept would be a second one during the load.
    reset: true,
  });
  return { status: statusCode, text: await body.text() };
}

/**
 * Compilers of JavaScript need tens of thousands of requests: a gateway in Node.js costs three times
 * as much in its first seconds. Each kind of answer gets its share of the time.
 */
async function heat({ contestant, way }: Entrant, options: RunOptions): Promise<void> {
  const kinds = [...new Set(options.cells.map(({ isStream }) => isStream))];
  const { heatMs } = options;
  const ownMs = contestant.isCompiled ? Math.min(heatMs, briefHeatMs) : heatMs;
  for (const isStream of kinds) {
    const load = new Load({
      port: way.port,
      requests: requestsOf({ ...way, bodyBytes: heatBodyBytes, isStream }),
      connections: heatConnections,
      ratePerSecond: 0,
      warmUpMs: 0,
      measuredMs: ownMs / kinds.length,
      bodyBytesMin: 0,
      onMark: () => undefined,
    });
    const { latenciesMs } = await load.run();
    options.say(`${contestant.name}: ${latenciesMs.length} requests to warm up`);
  }
}

async function measure(entrant: Entrant, cell: Cell, options: RunOptions): Promise<Measure> {
  const { contestant, processes, way } = entrant;
  const { port, headers } = way;
  processes.resume();
  processes.emptyLogs();
  await systemClock.sleep(settleMs);
  const cpuMs = { start: 0, end: 0 };
  const load = new Load({
    port,
    requests: requestsOf({ port, headers, bodyBytes: cell.bodyBytes, isStream: cell.isStream }),
    connections: cell.connections,
    ratePerSecond: cell.ratePerSecond,
    warmUpMs: options.warmUpMs,
    measuredMs: options.measuredMs,
    bodyBytesMin: cell.isStream ? events.join("").length : plainBody.length / 2,
    onMark: (mark) => {
      cpuMs[mark] = processes.cpuMs();
    },
  });
  const measured = measureOf(cell, await load.run(), cpuMs.end - cpuMs.start);
  processes.stop();
  options.say(`  ${textOf(cell)}, ${contestant.name}: ${Math.round(measured.requestsPerSecond)}/s`);
  return measured;
}

async function resultOf(entrant: Entrant): Promise<RoundOf> {
  const { contestant, processes, startMs, rssStartBytes, measures } = entrant;
  const rssEndBytes = processes.rssBytes();
  await processes.end();
  return { name: contestant.name, startMs, rssStartBytes, rssEndBytes, measures };
}
