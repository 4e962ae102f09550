import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { localEnvoyConfigOf } from "../../src/demo/envoy-config.ts";
import { freePort } from "../../test/support/free-port.ts";
import { peerScorers, pickerDocument, scorersIn } from "../picker-document.ts";
import { bytesOf, packageBytesOf } from "./installed.ts";
import type { Processes } from "./processes.ts";

const host = "127.0.0.1";
const root = path.join(import.meta.dirname, "..", "..");

/**
 * Ways to get what is not part of this project. With a later @hono/node-server, this release of
 * Portkey answers streams with 500.
 */
export const portkeyHint = (folder: string) =>
  `mkdir -p ${folder} && ` +
  `echo '{"overrides":{"@hono/node-server":"1.14.1"}}' > ${folder}/package.json && ` +
  `npm install --prefix ${folder} @portkey-ai/gateway@1.15.2`;
export const sglangHint = (folder: string) =>
  `python3 -m pip install --target ${folder} sglang-router==0.3.2`;

/** A way from the load to the engines. */
export interface Contestant {
  readonly name: string;
  /** How to get it, if it is not there. */
  readonly missing: string | undefined;
  /** True if it is machine code from its start, so that it needs little load before it is measured. */
  readonly isCompiled: boolean;
  /** Bytes on disk, without the runtime of its language; undefined if unknown. */
  readonly installedBytes: () => number | undefined;
  /** Starts its processes; resolves before they are ready. */
  readonly start: (start: Start) => Promise<Way>;
}

export interface Start {
  readonly processes: Processes;
  readonly enginePorts: readonly number[];
  /** For files of this run. */
  readonly folder: string;
}

export interface Way {
  readonly port: number;
  /** Headers that its requests need. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Places {
  /** The command that runs Pointsman, before its subcommand. */
  readonly pointsman: readonly string[];
  /** The command that runs another picker, before its flags; empty if there is none. */
  readonly picker: readonly string[];
  readonly portkeyFolder: string;
  readonly sglangFolder: string;
  readonly envoy: { readonly path: string } | { readonly missing: string };
}

/** All that are known, in the order of the report. */
export function knownContestants(places: Places): readonly Contestant[] {
  return [
    ...[straight, gateway(places), gatewayOverTls(places), envoy(places), envoyAndPicker(places)],
    ...[portkey(places), sglang(places)],
  ];
}

const straight: Contestant = {
  name: "straight",
  isCompiled: true,
  missing: undefined,
  installedBytes: () => undefined,
  start: ({ enginePorts: [port = 0] }) => Promise.resolve({ port, headers: {} }),
};

function gateway(places: Places): Contestant {
  return ownGateway("gateway", places, (ports) => ["--endpoints", urlsOf(ports).join(",")]);
}

function gatewayOverTls(places: Places): Contestant {
  return ownGateway("gateway-tls", places, (ports) => [
    ...["--endpoints", urlsOf(ports, "https").join(",")],
    "--engine-insecure-skip-verify",
  ]);
}

function ownGateway(
  name: string,
  { pointsman }: Places,
  flagsOf: (ports: readonly number[]) => readonly string[],
): Contestant {
  return {
    name,
    isCompiled: false,
    missing: undefined,
    installedBytes: () => packageBytesOf(root),
    async start({ processes, enginePorts }) {
      const port = await freePort();
      processes.start(name, [
        ...[...pointsman, "gateway", "--listen", `${host}:${port}`, "--metrics-port", "0"],
        ...flagsOf(enginePorts),
      ]);
      return { port, headers: {} };
    },
  };
}

function envoy({ pointsman, envoy: binary }: Places): Contestant {
  return {
    name: "envoy",
    isCompiled: false,
    missing: "missing" in binary ? binary.missing : undefined,
    installedBytes() {
      const ownBytes = packageBytesOf(root);
      if (ownBytes === undefined || "missing" in binary) return undefined;
      return ownBytes + bytesOf(path.dirname(binary.path));
    },
    async start(start) {
      const file = await pickerFileOf(start.folder, start.enginePorts);
      const picker = ["serve", "--config-file", file, "--bind-address", host];
      return envoyBefore([...pointsman, ...picker], binary, start);
    },
  };
}

function envoyAndPicker({ picker, envoy: binary }: Places): Contestant {
  const [program = ""] = picker;
  const hint = "--picker CMD names it";
  return {
    name: "envoy-epp",
    isCompiled: true,
    missing: "missing" in binary ? binary.missing : program === "" ? hint : undefined,
    installedBytes: () =>
      "path" in binary ? bytesOf(program) + bytesOf(path.dirname(binary.path)) : undefined,
    async start(start) {
      const endpointsFile = await endpointsFileOf(start.folder, start.enginePorts);
      const file = path.join(start.folder, "picker.json");
      await writeFile(file, pickerDocument(endpointsFile, scorersIn(peerScorers)));
      return envoyBefore([...picker, "--config-file", file], binary, start);
    },
  };
}

/** Starts an Envoy, and its picker with the flags that all pickers have. */
async function envoyBefore(
  picker: readonly string[],
  binary: Places["envoy"],
  { processes, folder }: Start,
): Promise<Way> {
  if ("missing" in binary) throw new Error(binary.missing);
  const port = await freePort();
  const pickerPort = await freePort();
  processes.start("picker", [
    ...[...picker, "--secure-serving=false", "--grpc-port", String(pickerPort)],
    ...["--grpc-health-port", String(await freePort()), "--metrics-port", String(await freePort())],
  ]);
  const file = path.join(folder, "envoy.json");
  const config = localEnvoyConfigOf({ address: host, port }, { address: host, port: pickerPort });
  await writeFile(file, JSON.stringify(config));
  processes.start("envoy", [
    ...[binary.path, "--config-path", file, "--disable-hot-restart", "--concurrency", "1"],
    ...["--log-level", "warning"],
  ]);
  return { port, headers: {} };
}

/** The default policy over the engines. */
async function pickerFileOf(folder: string, enginePorts: readonly number[]): Promise<string> {
  const endpointsFile = await endpointsFileOf(folder, enginePorts);
  const file = path.join(folder, "picker.json");
  const discovery = { type: "file-discovery", parameters: { path: endpointsFile } };
  const document = {
    apiVersion: "pointsman.dev/v1alpha1",
    kind: "EndpointPickerConfig",
    plugins: [discovery],
    dataLayer: { discovery: { pluginRef: discovery.type } },
  };
  await writeFile(file, JSON.stringify(document));
  return file;
}

async function endpointsFileOf(folder: string, enginePorts: readonly number[]): Promise<string> {
  const file = path.join(folder, "endpoints.json");
  const endpoints = enginePorts.map((port) => ({
    name: `engine-${port}`,
    address: host,
    port: String(port),
  }));
  await writeFile(file, JSON.stringify({ endpoints }));
  return file;
}

function portkey({ portkeyFolder }: Places): Contestant {
  const modules = path.join(portkeyFolder, "node_modules");
  const main = path.join(modules, "@portkey-ai", "gateway", "build", "start-server.js");
  return {
    name: "portkey",
    isCompiled: false,
    missing: existsSync(main) ? undefined : portkeyHint(portkeyFolder),
    installedBytes: () => bytesOf(modules),
    async start({ processes, enginePorts }) {
      const port = await freePort();
      processes.start("portkey", [process.execPath, main, `--port=${port}`, "--headless"]);
      const targets = urlsOf(enginePorts).map((url) => ({
        provider: "openai",
        api_key: "none",
        custom_host: `${url}/v1`,
      }));
      const config = { strategy: { mode: "loadbalance" }, targets };
      return { port, headers: { "x-portkey-config": JSON.stringify(config) } };
    },
  };
}

function sglang({ sglangFolder }: Places): Contestant {
  return {
    name: "sglang-router",
    isCompiled: true,
    missing: existsSync(path.join(sglangFolder, "sglang_router"))
      ? undefined
      : sglangHint(sglangFolder),
    installedBytes: () => bytesOf(sglangFolder),
    async start({ processes, enginePorts, folder }) {
      const port = await freePort();
      const argv = [
        ...["python3", "-m", "sglang_router.launch_router", "--host", host, "--port", String(port)],
        ...["--prometheus-host", host, "--prometheus-port", String(await freePort())],
        ...["--policy", "cache_aware", "--log-dir", folder],
        ...["--worker-urls", ...urlsOf(enginePorts)],
      ];
      processes.start("sglang-router", argv, { PYTHONPATH: sglangFolder });
      return { port, headers: {} };
    },
  };
}

/** `NAME=COMMAND`, where PORT and ENGINES stand for its port and the engines' URLs. */
export function contestantIn(text: string): Contestant {
  const at = text.indexOf("=");
  const name = text.slice(0, at);
  const words = text.slice(at + 1).split(" ");
  if (at < 1 || words[0] === "" || !text.includes("PORT")) {
    throw new Error(`--contestant ${text}: want NAME=COMMAND with PORT in it`);
  }
  return {
    name,
    isCompiled: false,
    missing: undefined,
    installedBytes: () => undefined,
    async start({ processes, enginePorts }) {
      const port = await freePort();
      const urls = urlsOf(enginePorts).join(",");
      const argv = words.map((word) =>
        word.replaceAll("PORT", String(port)).replaceAll("ENGINES", urls),
      );
      processes.start(name, argv);
      return { port, headers: {} };
    },
  };
}

function urlsOf(ports: readonly number[], scheme = "http"): readonly string[] {
  return ports.map((port) => `${scheme}://${host}:${port}`);
}
