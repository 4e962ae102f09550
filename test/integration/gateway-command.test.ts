import { writeFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startPointsman } from "#test/support/child.ts";
import { exchanged } from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function engines(count: number) {
  const simulator = await startEngines({ engines: count, adapters: ["sql"], settings: fastEngine });
  opened.push(() => simulator.close());
  return simulator.engines.map(({ port }) => port);
}

function aGateway(...argv: readonly string[]) {
  const child = startPointsman([
    "gateway",
    "--listen",
    "127.0.0.1:0",
    "--metrics-port",
    "0",
    ...argv,
  ]);
  opened.push(() => child.close());
  return child;
}

const chat = JSON.stringify({
  model: "sim-model",
  messages: [{ role: "user", content: "hi" }],
  max_tokens: 5,
});

async function ask(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: chat,
  });
  await response.text();
  return response.status;
}

interface Listening {
  readonly http: number;
  readonly metrics: number;
}

describe("pointsman gateway", () => {
  it("is one command to a working address, which it prints with what it found", async () => {
    const [first = 0, second = 0] = await engines(2);
    const child = aGateway("--endpoints", `http://127.0.0.1:${first},localhost:${second}`);
    const { http, metrics } = JSON.parse(await child.line(/"listening"/u)) as Listening;
    expect(await ask(http)).toBe(200);
    await child.line(/^ +-d '\{"model":"sim-model"/u);
    const output = child.output();
    expect(output).toContain(`gateway    http://127.0.0.1:${http}   (this machine only`);
    expect(output).toContain(
      `endpoint   127.0.0.1:${first}   vllm   models: sim-model   adapters: sql\n`,
    );
    expect(output).toContain(`endpoint   127.0.0.1:${second} (localhost)   vllm`);
    const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    expect(page).toMatch(/^llm_d_epp_request_total\{model_name="sim-model".*\} 1$/mu);
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
  });

  it("does not serve a web page whose name points to this machine", async () => {
    const [first = 0] = await engines(1);
    const child = aGateway("--endpoints", `http://127.0.0.1:${first}`);
    const { http, metrics } = JSON.parse(await child.line(/"listening"/u)) as Listening;
    for (const port of [http, metrics]) {
      const request = "GET /debug/pool HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
      expect(await exchanged(port, request)).toMatch(/^HTTP\/1\.1 403 /u);
    }
    expect(await ask(http)).toBe(200);
  });

  it("takes endpoints from a file, and follows it and its configuration", async () => {
    const [first = 0, second = 0] = await engines(2);
    const folder = mkdtempSync(path.join(tmpdir(), "gateway-command-"));
    opened.push(() => rmSync(folder, { recursive: true }));
    const [endpoints, config] = ["endpoints.yaml", "config.yaml"].map((name) =>
      path.join(folder, name),
    );
    if (endpoints === undefined || config === undefined) throw new Error("two names");
    await writeFile(endpoints, listOf(first));
    await writeFile(
      config,
      `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- {type: file-discovery, parameters: {path: ${endpoints}, watchFile: true}}
dataLayer: {discovery: {pluginRef: file-discovery}}
`,
    );
    const child = aGateway("--config-file", config);
    const { http, metrics } = JSON.parse(await child.line(/"listening"/u)) as Listening;
    expect(await ask(http)).toBe(200);
    await writeFile(endpoints, listOf(second));
    const pool = async () => (await fetch(`http://127.0.0.1:${metrics}/debug/pool`)).text();
    // Requests go on while the only endpoint is replaced by another.
    await eventually("the other endpoint", async () => {
      expect(await ask(http)).toBe(200);
      return (await pool()).includes(`e${second}`) && !(await pool()).includes(`e${first}`)
        ? true
        : undefined;
    });
    expect(await ask(http)).toBe(200);
  });

  it("fails no request on SIGTERM under load, if clients heed its readiness", async () => {
    const ports = await engines(2);
    const child = aGateway(
      "--endpoints",
      ports.map((port) => `http://127.0.0.1:${port}`).join(","),
    );
    const { http, metrics } = JSON.parse(await child.line(/"listening"/u)) as Listening;
    const results: unknown[] = [];
    const unready = new AbortController();
    const balancer = (async () => {
      while (!unready.signal.aborted) {
        const { status } = await fetch(`http://127.0.0.1:${metrics}/readyz`);
        if (status !== 200) unready.abort();
      }
    })();
    const clients = Array.from({ length: 8 }, async () => {
      while (!unready.signal.aborted) results.push(await ask(http).catch(String));
    });
    await eventually("some requests", () => (results.length > 50 ? true : undefined));
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
    await Promise.all([...clients, balancer]);
    expect(new Set(results)).toEqual(new Set([200]));
  });
});

function listOf(...ports: readonly number[]): string {
  return JSON.stringify({
    endpoints: ports.map((port) => ({ name: `e${port}`, address: "127.0.0.1", port })),
  });
}
