import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { envoyConfigOf, type EnvoyConfigOptions } from "../../src/demo/envoy-config.ts";
import { type Child, died, start } from "./child.ts";
import { freePort } from "./free-port.ts";
import { jsonLines } from "./json-lines.ts";
import { eventually } from "./wait.ts";
import { envoyPath } from "../components/envoy.ts";

interface AccessLogEntry {
  readonly status: number;
  readonly flags: string | null;
  readonly upstream: string | null;
  readonly requestId: string;
  readonly picked: string | null;
  readonly details: string | null;
}

/** A real Envoy that asks pickers. */
export interface Envoy {
  readonly url: string;
  readonly child: Child;
  readonly accessLog: () => Promise<readonly AccessLogEntry[]>;
}

/** Starts Envoy on a free port, with its files in `folder`; resolves once it answers. */
export async function startEnvoy(
  folder: string,
  options: Omit<EnvoyConfigOptions, "listener" | "accessLogFile">,
): Promise<Envoy> {
  const binary = await envoyPath((line) => void process.stderr.write(`${line}\n`));
  const listener = { address: "127.0.0.1", port: await freePort() };
  const accessLogFile = path.join(folder, "access.log");
  const configFile = path.join(folder, "envoy.json");
  await writeFile(
    configFile,
    JSON.stringify(envoyConfigOf({ ...options, listener, accessLogFile })),
  );
  const child = start(binary, [
    ...["--config-path", configFile, "--disable-hot-restart", "--concurrency", "1"],
    ...["--file-flush-interval-msec", "50", "--log-level", "warning"],
  ]);
  const url = `http://127.0.0.1:${listener.port}`;
  try {
    await Promise.race([answers(url), died(child)]);
  } catch (cause) {
    await child.close();
    throw cause;
  }
  return {
    url,
    child,
    accessLog: async () => jsonLines<AccessLogEntry>(await readFile(accessLogFile, "utf8")),
  };
}

async function answers(url: string): Promise<void> {
  await eventually("Envoy answers", async () => {
    const response = await fetch(`${url}/health`);
    await response.arrayBuffer();
    return response.status < 500 || response.status === 503 ? true : undefined;
  });
}
