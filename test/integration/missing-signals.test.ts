import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { eventually } from "#test/support/wait.ts";

let child: Child | undefined;
const engines: Server[] = [];
let folder = "";

afterEach(async () => {
  await child?.close();
  for (const engine of engines.splice(0)) {
    engine.closeAllConnections();
    engine.close();
  }
  await rm(folder, { recursive: true, force: true });
});

const token = "s3cret-token";
const whole =
  "vllm:num_requests_waiting 4\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 0.5\n";
const renamed = "vllm:queue_depth 4\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 45\n";

/** Engines whose page a test changes, which answer only those who show the token. */
async function engineOf(pages: { now: string | undefined }): Promise<number> {
  const engine = createServer(({ headers }, response) => {
    if (headers.authorization !== `Bearer ${token}`) response.writeHead(401).end();
    else if (pages.now === undefined) response.writeHead(500).end();
    else response.end(pages.now);
  }).listen(0, "127.0.0.1");
  engines.push(engine);
  await once(engine, "listening");
  // A server that listens on TCP has an address object.
  return (engine.address() as AddressInfo).port;
}

/** A picker of two such engines with the default scorers. */
async function pickerOf(pages: { now: string | undefined }) {
  const ports = await Promise.all([engineOf(pages), engineOf(pages)]);
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-missing-signals-"));
  const endpoints = path.join(folder, "endpoints.yaml");
  const entries = ports.map(
    (port, index) => `{name: e${index}, address: 127.0.0.1, port: ${port}}`,
  );
  await writeFile(endpoints, `endpoints: [${entries.join(", ")}]\n`);
  await writeFile(path.join(folder, "token"), `${token}\n`);
  const plugins = [
    `{type: file-discovery, parameters: {path: ${JSON.stringify(endpoints)}}}`,
    `{type: metrics-data-source, parameters: {path: "/metrics ", bearerTokenPath: ${JSON.stringify(path.join(folder, "token"))}}}`,
    ...["queue-scorer", "kv-cache-utilization-scorer"].map((type) => `{type: ${type}}`),
  ];
  child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--secure-serving=false"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    "--config-text",
    `{apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [${plugins.join(", ")}], dataLayer: {discovery: {pluginRef: file-discovery}}}`,
  ]);
  const { metrics } = JSON.parse(await child.line(/"msg":"listening"/)) as { metrics: number };
  const page = async (name: string) => (await fetch(`http://127.0.0.1:${metrics}${name}`)).text();
  const series = async (name: string) =>
    (await page("/metrics")).split("\n").filter((line) => line.startsWith(`${name}{`));
  return { page, series };
}

describe("signals that are needed and missing", () => {
  it("are one warning for all engines, a gauge, and told for each endpoint", async () => {
    const pages = { now: whole };
    const { page, series } = await pickerOf(pages);
    await eventually("an average", async () => {
      const [average] = await series("llm_d_epp_average_queue_size");
      return average?.endsWith(" 4");
    });
    pages.now = renamed;
    const missing = await eventually("a gauge", async () => {
      const found = await series("pointsman_signal_missing_endpoints");
      return found.length === 2 && found.every((line) => line.endsWith(" 2")) ? found : undefined;
    });
    expect(missing.toSorted()).toEqual([
      'pointsman_signal_missing_endpoints{signal="kv-cache-used",engine="vllm",reason="above-one"} 2',
      'pointsman_signal_missing_endpoints{signal="waiting-requests",engine="vllm",reason="absent"} 2',
    ]);
    expect(await series("llm_d_epp_average_queue_size")).toEqual([]);
    expect(await series("inference_pool_average_queue_size")).toEqual([]);
    expect(await series("llm_d_epp_average_running_requests")).toEqual([
      expect.stringContaining(" 2"),
    ]);
    const line = await child?.line(/needed signal not reported.*|.*num_requests_waiting/);
    const warning = JSON.parse(line ?? "") as { readonly endpoints: number };
    expect(warning).toMatchObject({
      ...{ signal: "waiting-requests", engine: "vllm", family: "vllm:num_requests_waiting" },
      ...{ reason: "absent", ofEndpoints: 2 },
      neededBy: ["queue-scorer", "utilization-detector"],
    });
    // The warning comes with the first engines that were read, which is one on a busy machine.
    expect([1, 2]).toContain(warning.endpoints);
    expect(JSON.parse(await page("/debug/pool"))).toMatchObject({
      endpoints: [0, 1].map(() => ({
        reported: { waitingRequests: null, runningRequests: 2, kvCacheUsedRatio: null },
        scrape: {
          failure: null,
          missing: [
            { signal: "waiting-requests", family: "vllm:num_requests_waiting", reason: "absent" },
            { signal: "kv-cache-used", family: "vllm:kv_cache_usage_perc", reason: "above-one" },
          ],
        },
      })),
    });
    pages.now = whole;
    await child?.line(/"msg":"needed signal reported again"/);
    const warnings = child?.output().match(/"msg":"needed signal not reported"/g);
    expect(warnings).toHaveLength(2);
  });

  it("are no averages of 0 once engines do not answer, and their failure is told in words", async () => {
    const pages: { now: string | undefined } = { now: whole };
    const { page, series } = await pickerOf(pages);
    const averages = () => series("llm_d_epp_average_kv_cache_utilization");
    await eventually("an average", async () => ((await averages()).length > 0 ? true : undefined));
    pages.now = undefined;
    const seen = new Set<string>();
    await eventually("no average", async () => {
      const lines = await averages();
      for (const line of lines) seen.add(line.slice(line.lastIndexOf(" ") + 1));
      return lines.length === 0 ? true : undefined;
    });
    // Until then it was what the engines had said.
    expect([...seen]).toEqual(["0.5"]);
    expect(await series("pointsman_signal_reporting_endpoints")).toEqual([
      expect.stringMatching(/waiting-requests"\} 0$/),
      expect.stringMatching(/running-requests"\} 0$/),
      expect.stringMatching(/kv-cache-used"\} 0$/),
    ]);
    expect(JSON.parse(await page("/debug/pool"))).toMatchObject({
      endpoints: [0, 1].map(() => ({
        scrape: { failure: { kind: "status", reason: "status 500" } },
      })),
    });
  });

  it("shows no token where it shows the configuration, the pool or the log", async () => {
    const { page } = await pickerOf({ now: whole });
    await eventually("signals", async () => {
      const text = await page("/debug/pool");
      return /"signalsSource":\s*"engine"/.test(text) ? true : undefined;
    });
    const pages = await Promise.all(["/debug/config", "/debug/pool", "/metrics"].map(page));
    expect(pages[0]).toContain("bearerTokenPath");
    expect([...pages, child?.output()].join("\n")).not.toContain(token);
  });
});
