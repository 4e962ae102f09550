import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Crew } from "../../src/demo/crew.ts";
import { envoyConfigOf } from "../../src/demo/envoy-config.ts";
import { isRequestLine } from "../../src/demo/picks.ts";
import { isServed } from "../../src/demo/stack.ts";
import { systemClock } from "../../src/std/clock.ts";
import { freePort } from "../../test/support/free-port.ts";
import { canConnect } from "../can-connect.ts";
import { pickerDocument, type WeightedType } from "../picker-document.ts";
import { model } from "./plan.ts";

const host = "127.0.0.1";
const mainFile = path.join(import.meta.dirname, "..", "..", "src", "main.ts");

/** The checkout's own picker. */
export const ownServeCommand: readonly string[] = [
  process.execPath,
  mainFile,
  "serve",
  "--bind-address",
  host,
];

/** What stands for the path of the endpoints file in a document of `--config`. */
const endpointsFileMark = "ENDPOINTS_FILE";

/** Milliseconds between two looks whether something is there, and until it must be. */
const lookMs = 50;
const readyMsMax = 20_000;

/** Milliseconds between two writes of Envoy's access log, and until all of it has to be there. */
const logFlushMs = 200;
const logMsMax = 5_000;

/**
 * Engines that run eight requests at a time. Alone a request of the load takes about 0.4 s: its
 * prompt and a dozen steps of 30 ms. At 60 requests a second eight engines are about 60 % busy.
 */
const engineSettings = {
  "running-requests-max": 8,
  "step-base-ms": 30,
  "decode-ms-per-sequence": 0.5,
  "prefill-tokens-per-second": 8_000,
  "kv-cache-tokens-max": 60_000,
};
export const runningRequestsMax = engineSettings["running-requests-max"];

export interface StackOptions {
  readonly engines: number;
  readonly envoyPath: string;
  /** The command that runs the picker, before its flags. */
  readonly serveCommand: readonly string[];
  /** The picker's document, with `ENDPOINTS_FILE` for that path; undefined for one with `scorers`. */
  readonly document: string | undefined;
  readonly scorers: readonly WeightedType[];
  /** The document's section `health`. */
  readonly health?: object | undefined;
  /** Settings of the engines that differ from the usual ones. */
  readonly engineSettings?: Readonly<Record<string, number>> | undefined;
}

/** Where the parts of a running gateway can be reached. */
export interface Stack {
  readonly url: string;
  /** The simulator's admin endpoint. */
  readonly enginesUrl: string;
  /** `ip:port` of each engine, in order. */
  readonly hostPorts: readonly string[];
  /** Ejections that the picker counted; undefined for one that counts none. */
  ejections(): Promise<number | undefined>;
  /** Which `ip:port` each request was sent to; those that were sent to none are left out. */
  picks(requests: number): Promise<ReadonlyMap<string, string>>;
}

/** Starts engines, picker and Envoy as children of the crew; resolves when requests are served. */
export async function startStack(options: StackOptions, crew: Crew): Promise<Stack> {
  const endpointsFile = path.join(crew.folder, "endpoints.json");
  const accessLogFile = path.join(crew.folder, "access.log");
  const enginesUrl = await startEngines(options, crew, endpointsFile);
  const { pickerPort, metricsPort } = await startPicker(options, crew, endpointsFile);
  const port = await freePort();
  await startEnvoy(options, crew, { port, pickerPort, accessLogFile });
  const url = `http://${host}:${port}`;
  await untilReady(crew, url, () => isServed(url));
  const hostPorts = hostPortsOf(await readFile(endpointsFile, "utf8"));
  return {
    url,
    enginesUrl,
    hostPorts,
    ejections: () => ejectionsAt(metricsPort),
    picks: (requests) => picksIn(accessLogFile, requests),
  };
}

/** Resolves to where the engines can be seen and changed. */
async function startEngines(
  { engines, engineSettings: changed }: StackOptions,
  crew: Crew,
  endpointsFile: string,
): Promise<string> {
  const settings = Object.entries({ ...engineSettings, ...changed }).map(
    ([name, value]) => `--${name}=${value}`,
  );
  const child = crew.start({
    name: "sim",
    program: process.execPath,
    argv: [
      ...[mainFile, "sim", "--engines", String(engines), "--port", "0", "--admin-port", "0"],
      ...["--model", model, "--endpoints-file", endpointsFile, ...settings],
    ],
    env: environment(),
  });
  const line = await Promise.race([child.line(/^admin /), crew.death]);
  return line.slice("admin ".length);
}

/**
 * Resolves to the ext_proc port. Any picker that has these flags will do, so the ports are chosen
 * here and looked at, where our own would take free ones and say so.
 */
async function startPicker(
  { serveCommand, document, scorers, health }: StackOptions,
  crew: Crew,
  endpointsFile: string,
): Promise<{ readonly pickerPort: number; readonly metricsPort: number }> {
  const configFile = path.join(crew.folder, "config.yaml");
  const text = document?.replaceAll(endpointsFileMark, endpointsFile);
  await writeFile(configFile, text ?? pickerDocument(endpointsFile, scorers, health));
  const [program = "", ...argv] = serveCommand;
  const port = await freePort();
  const metricsPort = await freePort();
  crew.start({
    name: "the picker",
    program,
    argv: [
      ...[...argv, "--config-file", configFile, "--secure-serving=false"],
      ...["--grpc-port", String(port), "--grpc-health-port", String(await freePort())],
      ...["--metrics-port", String(metricsPort)],
    ],
    env: environment(),
    isRoutine: isRequestLine,
  });
  await untilReady(crew, `the picker on ${host}:${port}`, () => canConnect(port));
  return { pickerPort: port, metricsPort };
}

async function ejectionsAt(metricsPort: number): Promise<number | undefined> {
  try {
    const response = await fetch(`http://${host}:${metricsPort}/metrics`);
    const page = await response.text();
    if (!page.includes("pointsman_endpoint_ejections_total")) return undefined;
    const counts = [...page.matchAll(/^pointsman_endpoint_ejections_total\{.*\} (\d+)$/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  } catch {
    // Another picker may want a certificate or a token there.
    return undefined;
  }
}

async function startEnvoy(
  { envoyPath }: StackOptions,
  crew: Crew,
  parts: { readonly port: number; readonly pickerPort: number; readonly accessLogFile: string },
): Promise<void> {
  const configFile = path.join(crew.folder, "envoy.json");
  const config = envoyConfigOf({
    listener: { address: host, port: parts.port },
    pickers: [{ address: host, port: parts.pickerPort }],
    pickerTls: false,
    routing: { kind: "original-dst" },
    accessLogFile: parts.accessLogFile,
  });
  await writeFile(configFile, JSON.stringify(config));
  crew.start({
    name: "Envoy",
    program: envoyPath,
    argv: [
      ...["--config-path", configFile, "--disable-hot-restart", "--concurrency", "1"],
      ...["--log-level", "warning", "--file-flush-interval-msec", String(logFlushMs)],
    ],
    env: process.env,
  });
}

/** Flags that the environment sets are not meant for these processes. */
function environment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env);
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith("POINTSMAN_")));
}

function hostPortsOf(endpointsText: string): readonly string[] {
  // The simulator has just written this file.
  const { endpoints } = JSON.parse(endpointsText) as {
    readonly endpoints: readonly { readonly address: string; readonly port: number }[];
  };
  return endpoints.map(({ address, port }) => `${address}:${port}`);
}

/**
 * Reads Envoy's access log, which has one line a request once that has ended. The pick counts
 * where there is one: the connection to it may have failed.
 */
async function picksIn(file: string, requests: number): Promise<ReadonlyMap<string, string>> {
  const endMs = systemClock.nowMs() + logMsMax;
  let lines: readonly string[] = [];
  while (systemClock.nowMs() < endMs) {
    lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.endsWith("}"));
    // The looks at the start are in it too, so a few lines more than requests are no proof.
    if (lines.filter((line) => /"requestId":"[rb]-\d+"/.test(line)).length >= requests) break;
    await systemClock.sleep(logFlushMs);
  }
  const picks = new Map<string, string>();
  for (const line of lines) {
    // `envoyConfigOf` gives the log this format.
    const entry = JSON.parse(line) as Record<"requestId" | "picked" | "upstream", string | null>;
    const hostPort = entry.picked?.split(",")[0] ?? entry.upstream;
    if (entry.requestId !== null && hostPort !== null) picks.set(entry.requestId, hostPort);
  }
  return picks;
}

/** Rejects where one of the crew ends before; resolves when the crew closes. */
async function untilReady(
  crew: Crew,
  what: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const endMs = systemClock.nowMs() + readyMsMax;
  const looking = async () => {
    while (!crew.closing.aborted && !(await isReady())) {
      if (systemClock.nowMs() > endMs) throw new Error(`${what} was not ready in ${readyMsMax} ms`);
      await systemClock.sleep(lookMs, crew.closing);
    }
  };
  await Promise.race([looking(), crew.death]);
}
