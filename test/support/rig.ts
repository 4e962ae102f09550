import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EnvoyConfigOptions, HostPort } from "../../src/demo/envoy-config.ts";
import { type Child, startPointsman } from "./child.ts";
import { type Envoy, startEnvoy } from "./envoy.ts";
import { jsonLines } from "./json-lines.ts";

export interface RigOptions {
  readonly engines: readonly HostPort[];
  readonly routing?: "original-dst" | "override-host";
  /** Pickers behind the one Envoy. */
  readonly pickerCount?: number;
  readonly pickerTls?: boolean;
  /** More flags for every picker. */
  readonly flags?: readonly string[];
  /** More variables of the environment for every picker. */
  readonly env?: Readonly<Record<string, string>>;
  /** More plugins, as list entries, then other sections; the default profile where undefined. */
  readonly scheduling?: string;
  readonly apiVersion?: string;
  /** Data sources beside the default one, as list entries. */
  readonly sources?: string;
  readonly envoy?: Partial<EnvoyConfigOptions>;
}

interface Picker {
  readonly child: Child;
  readonly ports: { readonly grpc: number; readonly health: number; readonly metrics: number };
}

/** A real Envoy in front of real pickers in front of engines. */
export interface Rig {
  readonly url: string;
  readonly pickers: readonly Picker[];
  /** What Envoy itself complained about. */
  readonly envoyOutput: () => string;
  readonly envoyPid: number;
  readonly accessLog: Envoy["accessLog"];
  /** The request lines that the pickers logged. */
  readonly requestLog: () => readonly Record<string, unknown>[];
  /** The metrics page of the first picker. */
  metricsPage(): Promise<string>;
  /** A page of the first picker's metrics port. */
  debugPage(path: string): Promise<string>;
  /** The value of one metric, over all pickers and labels. */
  metric(name: string): Promise<number>;
  /** Replaces the endpoints file at once, by a rename over it. */
  setEndpoints(engines: readonly LabelledEndpoint[]): Promise<void>;
  /** Replaces the configuration file at once, by a rename over it, with one of other `scheduling`. */
  reconfigure(scheduling: string): Promise<void>;
  close(): Promise<void>;
}

export async function startRig(options: RigOptions): Promise<Rig> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-rig-"));
  const children: Child[] = [];
  const close = async () => {
    await Promise.all(children.map((child) => child.close()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return await startIn(folder, options, { children, close });
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function startIn(
  folder: string,
  options: RigOptions,
  { children, close }: { children: Child[]; close: () => Promise<void> },
): Promise<Rig> {
  const { engines, routing = "original-dst", pickerCount = 1, pickerTls = false } = options;
  const endpointsFile = path.join(folder, "endpoints.json");
  const configFile = path.join(folder, "config.yaml");
  await writeFile(endpointsFile, endpointsText(engines));
  await writeFile(configFile, configText(endpointsFile, options));

  const pickers = await Promise.all(
    Array.from({ length: pickerCount }, async () => {
      const flags = [
        ...["serve", "--config-file", configFile, "--bind-address", "127.0.0.1"],
        ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
        ...(pickerTls ? [] : ["--secure-serving=false"]),
        "--health-checking",
        ...(options.flags ?? []),
      ];
      const child = startPointsman(flags, options.env);
      children.push(child);
      const line = await child.line(/"msg":"listening"/);
      return { child, ports: JSON.parse(line) as Picker["ports"] };
    }),
  );

  const envoy = await startEnvoy(folder, {
    pickers: pickers.map(({ ports }) => ({ address: "127.0.0.1", port: ports.grpc })),
    pickerTls,
    routing: routing === "original-dst" ? { kind: routing } : { kind: routing, hosts: engines },
    ...options.envoy,
  });
  children.push(envoy.child);
  const { url } = envoy;
  return {
    url,
    pickers,
    envoyOutput: envoy.child.output,
    envoyPid: envoy.child.pid,
    accessLog: envoy.accessLog,
    requestLog: () =>
      pickers.flatMap(({ child }) =>
        jsonLines(child.output()).filter(({ msg }) => msg === "request"),
      ),
    metricsPage: () => pageOf(pickers[0]?.ports.metrics ?? 0, "/metrics"),
    debugPage: (name) => pageOf(pickers[0]?.ports.metrics ?? 0, name),
    metric: async (name) => {
      const values = await Promise.all(pickers.map(({ ports }) => metricOf(ports.metrics, name)));
      return values.reduce((sum, value) => sum + value, 0);
    },
    async setEndpoints(next) {
      await replaceFile(endpointsFile, endpointsText(next));
    },
    async reconfigure(scheduling) {
      await replaceFile(configFile, configText(endpointsFile, { ...options, scheduling }));
    },
    close,
  };
}

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** An endpoint of the rig, with its labels. */
interface LabelledEndpoint extends HostPort {
  readonly labels?: Readonly<Record<string, string>>;
}

function endpointsText(engines: readonly LabelledEndpoint[]): string {
  const endpoints = engines.map(({ address, port, labels }) => ({
    name: `e-${port}`,
    address,
    port,
    labels,
  }));
  return JSON.stringify({ endpoints });
}

function configText(
  endpointsFile: string,
  { scheduling = "", sources = "", apiVersion = "llm-d.ai/v1alpha1" }: RigOptions,
): string {
  return `apiVersion: ${apiVersion}
kind: EndpointPickerConfig
plugins:
- type: file-discovery
  parameters: {path: ${JSON.stringify(endpointsFile)}, watchFile: true}
- type: active-request-scorer
${scheduling}
dataLayer:
  discovery: {pluginRef: file-discovery}
${sources === "" ? "" : `  sources:\n${sources}`}`;
}

async function metricOf(port: number, name: string): Promise<number> {
  const lines = (await pageOf(port, "/metrics")).split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function pageOf(port: number, name: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${name}`)).text();
}
