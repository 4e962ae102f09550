import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Crew } from "../../src/demo/crew.ts";
import { systemClock } from "../../src/std/clock.ts";
import { freePort } from "../../test/support/free-port.ts";
import { Processes } from "../http-gateway/processes.ts";
import { type Contestant, endpointsFileMark } from "./contestants.ts";
import { Call, type Outcome } from "./call.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { PreparedRequest, preparedAnswer } from "./messages.ts";

const host = "127.0.0.1";

/** Milliseconds until a contestant has to pick, between two tries, and for each. */
const readyMsMax = 30_000;
const tryMs = 5;
const callMsMax = 2_000;
const scrapeMsMax = 3_000;

/** What the monitor of an event loop sees of one without delay: the pause between two measurements. */
const loopPrecisionMs = 10;

/** A contestant that runs. */
export interface Entrant {
  readonly contestant: Contestant;
  readonly processes: Processes;
  readonly port: number;
  readonly metricsPort: number;
  readonly isTls: boolean;
  readonly endpointsFile: string;
  readonly configFile: string;
  /** Milliseconds from its start to its first pick. */
  readonly startMs: number;
}

export interface Place {
  readonly crew: Crew;
  readonly enginePorts: readonly number[];
  readonly isTls: boolean;
}

export async function startEngines(crew: Crew, count: number): Promise<readonly number[]> {
  const child = crew.start({
    name: "the engines",
    program: process.execPath,
    argv: [path.join(import.meta.dirname, "engines.ts"), String(count)],
    env: process.env,
  });
  const line = await Promise.race([child.line(/^\{"ports"/), crew.death]);
  // The engine process prints this line.
  return (JSON.parse(line) as { readonly ports: readonly number[] }).ports;
}

/** Starts a contestant; resolves when it has picked. */
export async function startEntrant(contestant: Contestant, place: Place): Promise<Entrant> {
  const { crew, enginePorts, isTls } = place;
  const folder = path.join(crew.folder, contestant.name);
  await mkdir(folder);
  const endpointsFile = path.join(folder, "endpoints.json");
  const configFile = path.join(folder, "config.yaml");
  await writeFile(endpointsFile, endpointsOf(enginePorts));
  await writeFile(configFile, contestant.document.replaceAll(endpointsFileMark, endpointsFile));
  const port = await freePort();
  const metricsPort = await freePort();
  const processes = new Processes(crew);
  const beganMs = performance.now();
  processes.start(contestant.name, [
    ...[...contestant.command, "--config-file", configFile, `--secure-serving=${isTls}`],
    ...["--grpc-port", String(port), "--grpc-health-port", String(await freePort())],
    ...["--metrics-port", String(metricsPort)],
  ]);
  try {
    await Promise.race([untilPicks(port, isTls), crew.death]);
  } catch (cause) {
    throw new Error(`${contestant.name} did not start:\n${processes.lastWords()}`, { cause });
  }
  const startMs = performance.now() - beganMs;
  return { contestant, processes, port, metricsPort, isTls, endpointsFile, configFile, startMs };
}

/** The document of file discovery. */
export function endpointsOf(ports: readonly number[]): string {
  return JSON.stringify({
    endpoints: ports.map((port) => ({
      name: `engine-${port}`,
      namespace: "default",
      address: host,
      port: String(port),
      labels: { app: "engine" },
    })),
  });
}

async function untilPicks(port: number, isTls: boolean): Promise<void> {
  const endMs = performance.now() + readyMsMax;
  const options = { port, isTls, authority: `${host}:${port}` };
  for (;;) {
    const outcome = await outcomeOfOne(options);
    if (outcome === "answered") return;
    if (performance.now() > endMs) throw new Error(`the last call was ${outcome}`);
    await systemClock.sleep(tryMs);
  }
}

const ignore = () => undefined;

type Target = Pick<ConnectionOptions, "port" | "isTls" | "authority">;

/** Makes one call on a connection of its own. */
function outcomeOfOne(target: Target): Promise<Outcome> {
  return new Promise((resolve) => {
    const connection = new Connection({ ...target, onClosed: () => undefined });
    const cancel = systemClock.after(callMsMax, () => connection.destroy());
    const ended = (_call: Call, outcome: Outcome) => {
      cancel();
      connection.destroy();
      resolve(outcome);
    };
    const call = new Call(
      {
        request: new PreparedRequest(1_024, 0, false),
        answer: preparedAnswer(0),
        abortAt: undefined,
      },
      { picked: ignore, pieceCameBack: ignore, ended },
    );
    call.begin(connection);
  });
}

/** The text of the contestant's `/metrics`; empty if it cannot be read. */
export async function metricsOf({ metricsPort }: Entrant): Promise<string> {
  try {
    const response = await fetch(`http://${host}:${metricsPort}/metrics`, {
      signal: AbortSignal.timeout(scrapeMsMax),
    });
    return response.ok ? await response.text() : "";
  } catch {
    return "";
  }
}

/** The 99th percentile of the event loop's delay since the last read; NaN without an event loop. */
export function loopDelayMsIn(metrics: string): number {
  const [, seconds] = /^nodejs_eventloop_lag_p99_seconds ([\d.e+-]+)$/m.exec(metrics) ?? [];
  return seconds === undefined ? Number.NaN : Number(seconds) * 1_000 - loopPrecisionMs;
}
