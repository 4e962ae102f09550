import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../std/clock.ts";
import type { Crew } from "./crew.ts";
import { localEnvoyConfigOf } from "./envoy-config.ts";
import type { Ingress } from "./ingress.ts";
import { numberOf, parseRecord } from "./json.ts";
import { isRequestLine } from "./picks.ts";
import { adapters, model } from "./workload.ts";

const host = "127.0.0.1";

/**
 * Small caches, so that their use is worth looking at: about twenty prompts of the demo's load
 * each, where the simulator's default holds a hundred and fifty.
 */
const kvCacheTokensMax = 40_000;

/** Milliseconds between two looks whether requests are served, and until they must be. */
const lookMs = 50;
const readyMsMax = 20_000;

export interface StackOptions {
  readonly engines: number;
  /** Port for requests. */
  readonly port: number;
  readonly ingress: Ingress;
  /** The command line that runs Pointsman, before the subcommand. */
  readonly pointsman: { readonly program: string; readonly argv: readonly string[] };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears each line that the picker logs. */
  readonly onPickerLine: (line: string) => void;
}

/** Where the parts of a running demo can be reached. */
export interface Stack {
  /** The OpenAI-compatible address. */
  readonly url: string;
  readonly enginesUrl: string;
  readonly pickerMetricsUrl: string;
  readonly pageUrl: string;
}

/** Starts engines, picker and ingress as children of the crew; resolves when requests are served. */
export async function startStack(options: StackOptions, crew: Crew, clock: Clock): Promise<Stack> {
  const { ingress, port } = options;
  const endpointsFile = path.join(crew.folder, "endpoints.json");
  const enginesUrl = await startEngines(options, crew, endpointsFile);
  const configFile = path.join(crew.folder, "config.yaml");
  await writeFile(configFile, pickerConfigOf(endpointsFile));
  const url = `http://${host}:${port}`;
  const { metrics, grpc } = await startPicker(options, crew, configFile);
  if (ingress.kind === "envoy") {
    await startEnvoy({ ...options, ...ingress, pickerPort: grpc }, crew);
  }
  await Promise.race([untilServed(url, clock, crew.closing), crew.death]);
  const adminUrl = `http://${host}:${metrics}`;
  return {
    url,
    enginesUrl,
    pickerMetricsUrl: `${adminUrl}/metrics`,
    pageUrl: `${adminUrl}/ui`,
  };
}

/** Resolves to where the engines' state can be read. */
async function startEngines(
  { engines, pointsman, env }: StackOptions,
  crew: Crew,
  endpointsFile: string,
): Promise<string> {
  const child = crew.start({
    name: "sim",
    program: pointsman.program,
    argv: pointsman.argv.concat(
      ["sim", "--engines", String(engines), "--port", "0", "--admin-port", "0"],
      ["--model", model, "--adapters", adapters.join(","), "--endpoints-file", endpointsFile],
      ["--kv-cache-tokens-max", String(kvCacheTokensMax)],
    ),
    env: withoutFlags(env),
  });
  const line = await Promise.race([child.line(/^admin /), crew.death]);
  return line.slice("admin ".length);
}

/** Ports of a picker; `grpc` is 0 for one that takes requests over HTTP. */
interface PickerPorts {
  readonly grpc: number;
  readonly metrics: number;
}

async function startPicker(
  options: StackOptions,
  crew: Crew,
  configFile: string,
): Promise<PickerPorts> {
  const { pointsman, env, onPickerLine } = options;
  const [command, ...flags] = pickerCommandOf(options);
  const child = crew.start({
    name: command,
    program: pointsman.program,
    argv: [
      ...pointsman.argv,
      command,
      "--config-file",
      configFile,
      "--metrics-port",
      "0",
      ...flags,
    ],
    env: withoutFlags(env),
    onLine: onPickerLine,
    isRoutine: isRequestLine,
  });
  return portsOf(await Promise.race([child.line(/"msg":"listening"/), crew.death]));
}

/** The command that runs the picker, and the flags for its way in. */
function pickerCommandOf({ ingress, port }: StackOptions): readonly [string, ...string[]] {
  if (ingress.kind === "http") return ["gateway", "--listen", `${host}:${port}`];
  const ports = ["--grpc-port", "0", "--grpc-health-port", "0"];
  return ["serve", "--bind-address", host, "--secure-serving=false", ...ports];
}

interface EnvoyOptions extends Pick<StackOptions, "port" | "env"> {
  readonly envoyPath: string;
  readonly pickerPort: number;
}

async function startEnvoy(
  { port, envoyPath, env, pickerPort }: EnvoyOptions,
  crew: Crew,
): Promise<void> {
  const configFile = path.join(crew.folder, "envoy.json");
  const config = localEnvoyConfigOf({ address: host, port }, { address: host, port: pickerPort });
  await writeFile(configFile, JSON.stringify(config));
  const argv = ["--config-path", configFile, "--disable-hot-restart", "--concurrency", "1"];
  crew.start({
    name: "Envoy",
    program: envoyPath,
    argv: argv.concat(["--log-level", "warning"]),
    env,
  });
}

/** The default policy over the engines in the simulator's file. */
function pickerConfigOf(endpointsFile: string): string {
  return `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: file-discovery
  parameters: {path: ${JSON.stringify(endpointsFile)}}
dataLayer:
  discovery: {pluginRef: file-discovery}
`;
}

/** Flags of a picker that the environment sets are not meant for the demo's own picker. */
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
