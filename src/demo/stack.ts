import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../std/clock.ts";
import type { Crew } from "./crew.ts";
import { endpointsOf } from "./endpoints-file.ts";
import type { HostPort } from "./envoy-config.ts";
import { twoPoolsEnvoyConfigOf } from "./envoy-round-robin.ts";
import type { Ingress } from "./ingress.ts";
import { numberOf, parseRecord } from "./json.ts";
import { isRequestLine } from "./picks.ts";
import { policyDocumentOf, type PolicyName, policyNames } from "./policies.ts";
import { model } from "./workload.ts";

const host = "127.0.0.1";

/**
 * Engines of the size of an 8B model on a small GPU. The cache holds about a quarter of the conversations with the shared
 * system prompts: enough for a pool that keeps each conversation at one engine.
 */
const engineFlags = [
  "--prefill-tokens-per-second=4000",
  "--step-base-ms=20",
  "--decode-ms-per-sequence=0.5",
  "--kv-cache-tokens-max=40000",
];

/** Time that an engine may take to begin its answer before the gateway tries another one. */
const tryTimeout = "10s";

/** Milliseconds between two looks whether requests are served, and until they must be. */
const lookMs = 50;
const readyMsMax = 20_000;

export interface StackOptions {
  /** Engines of each pool. */
  readonly engines: number;
  /** Port for requests to Pointsman's pool. */
  readonly port: number;
  /** Port for requests to the pool with round robin. */
  readonly roundRobinPort: number;
  readonly ingress: Ingress;
  /** The command line that runs Pointsman, before the subcommand. */
  readonly pointsman: { readonly program: string; readonly argv: readonly string[] };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears each line that the picker of a pool logs. */
  readonly onPickerLine: (policy: PolicyName, line: string) => void;
}

/** Where a pool can be reached. */
export interface Pool {
  /** The OpenAI-compatible address. */
  readonly url: string;
  readonly enginesUrl: string;
  /** Undefined for a pool without a picker: Envoy itself picks. */
  readonly adminUrl: string | undefined;
}

export type Stack = Readonly<Record<PolicyName, Pool>>;

/** Engines of a pool, and the file that lists them. */
interface Engines {
  readonly endpointsFile: string;
  readonly adminUrl: string;
}

/** Starts engines, pickers and ingress as children of the crew; resolves when both pools serve. */
export async function startStack(options: StackOptions, crew: Crew, clock: Clock): Promise<Stack> {
  const [roundRobin, pointsman] = await Promise.all([
    startEngines("roundRobin", options, crew),
    startEngines("pointsman", options, crew),
  ]);
  const engines = { roundRobin, pointsman };
  const { ingress } = options;
  const adminUrls =
    ingress.kind === "http"
      ? await startGateways(engines, options, crew)
      : await startEnvoyAndPicker(engines, { ...options, envoyPath: ingress.envoyPath }, crew);
  const pools = {
    roundRobin: poolOf(options.roundRobinPort, roundRobin, adminUrls.roundRobin),
    pointsman: poolOf(options.port, pointsman, adminUrls.pointsman),
  };
  const served = policyNames.map((policy) => untilServed(pools[policy].url, clock, crew.closing));
  await Promise.race([Promise.all(served), crew.death]);
  return pools;
}

function poolOf(port: number, engines: Engines, adminUrl: string | undefined): Pool {
  return { url: `http://${host}:${port}`, enginesUrl: engines.adminUrl, adminUrl };
}

type AdminUrls = Readonly<Record<PolicyName, string | undefined>>;
type EnginesOf = Readonly<Record<PolicyName, Engines>>;

async function startGateways(
  engines: EnginesOf,
  options: StackOptions,
  crew: Crew,
): Promise<AdminUrls> {
  const start = async (policy: PolicyName, port: number) => {
    const flags = ["--listen", `${host}:${port}`, "--try-timeout", tryTimeout];
    const command = { command: "gateway", flags, policy } as const;
    const { metrics } = await startPicker(command, { engines: engines[policy], options, crew });
    return `http://${host}:${metrics}`;
  };
  const [roundRobin, pointsman] = await Promise.all([
    start("roundRobin", options.roundRobinPort),
    start("pointsman", options.port),
  ]);
  return { roundRobin, pointsman };
}

async function startEnvoyAndPicker(
  engines: EnginesOf,
  options: StackOptions & { readonly envoyPath: string },
  crew: Crew,
): Promise<AdminUrls> {
  const flags = ["--bind-address", host, "--secure-serving=false"];
  const { metrics, grpc } = await startPicker(
    {
      command: "serve",
      flags: flags.concat(["--grpc-port", "0", "--grpc-health-port", "0"]),
      policy: "pointsman",
    },
    { engines: engines.pointsman, options, crew },
  );
  const hosts = endpointsOf(await readFile(engines.roundRobin.endpointsFile, "utf8"));
  const config = twoPoolsEnvoyConfigOf({
    pointsman: { listener: at(options.port), picker: at(grpc) },
    roundRobin: { listener: at(options.roundRobinPort), hosts },
  });
  const configFile = path.join(crew.folder, "envoy.json");
  await writeFile(configFile, JSON.stringify(config));
  const argv = ["--config-path", configFile, "--disable-hot-restart", "--concurrency", "1"];
  crew.start({
    name: "Envoy",
    program: options.envoyPath,
    argv: argv.concat(["--log-level", "warning"]),
    env: options.env,
  });
  return { roundRobin: undefined, pointsman: `http://${host}:${metrics}` };
}

function at(port: number): HostPort {
  return { address: host, port };
}

async function startEngines(
  policy: PolicyName,
  { engines, pointsman, env }: StackOptions,
  crew: Crew,
): Promise<Engines> {
  const endpointsFile = path.join(crew.folder, `endpoints-${policy}.json`);
  const child = crew.start({
    name: "sim",
    program: pointsman.program,
    argv: pointsman.argv.concat(
      ["sim", "--engines", String(engines), "--port", "0", "--admin-port", "0"],
      ["--model", model, "--endpoints-file", endpointsFile],
      engineFlags,
    ),
    env: withoutFlags(env),
  });
  const line = await Promise.race([child.line(/^admin /), crew.death]);
  return { endpointsFile, adminUrl: line.slice("admin ".length) };
}

interface PickerCommand {
  readonly command: "serve" | "gateway";
  readonly flags: readonly string[];
  readonly policy: PolicyName;
}

interface PickerParts {
  readonly engines: Engines;
  readonly options: StackOptions;
  readonly crew: Crew;
}

/** Ports of a picker; `grpc` is 0 for one that takes requests over HTTP. */
interface PickerPorts {
  readonly grpc: number;
  readonly metrics: number;
}

async function startPicker(
  { command, flags, policy }: PickerCommand,
  { engines, options, crew }: PickerParts,
): Promise<PickerPorts> {
  const configFile = path.join(crew.folder, `${policy}.yaml`);
  await writeFile(configFile, policyDocumentOf(policy, engines.endpointsFile));
  const { pointsman, env, onPickerLine } = options;
  const child = crew.start({
    name: command,
    program: pointsman.program,
    argv: pointsman.argv.concat(
      [command, "--config-file", configFile, "--metrics-port", "0"],
      flags,
    ),
    env: withoutFlags(env),
    onLine: (line) => onPickerLine(policy, line),
    isRoutine: isRequestLine,
  });
  return portsOf(await Promise.race([child.line(/"msg":"listening"/), crew.death]));
}

/** Flags of a picker that the environment sets are not meant for the demo's own pickers. */
function withoutFlags(env: StackOptions["env"]): StackOptions["env"] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("POINTSMAN_")));
}

function portsOf(listening: string): PickerPorts {
  const line = parseRecord(listening);
  const metrics = numberOf(line?.["metrics"]);
  if (metrics === undefined) throw new Error(`the picker did not report its ports: ${listening}`);
  return { grpc: numberOf(line?.["grpc"]) ?? 0, metrics };
}

async function untilServed(url: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const endMs = clock.nowMs() + readyMsMax;
  while (!signal.aborted && !(await isServed(url))) {
    if (clock.nowMs() > endMs) throw new Error(`${url} served nothing in ${readyMsMax} ms`);
    await clock.sleep(lookMs, signal);
  }
}

/** True if the gateway at `url` answers and serves a model. */
export async function isServed(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/models`);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Nothing listens yet.
    return false;
  }
}
