import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Child, startPointsman } from "#test/support/child.ts";
import { eventually } from "#test/support/wait.ts";

let child: Child | undefined;
let engine: Server | undefined;
let folder = "";

afterEach(async () => {
  await child?.close();
  engine?.closeAllConnections();
  engine?.close();
  await rm(folder, { recursive: true, force: true });
});

const page = `my:queue 7
vllm:num_requests_waiting 1
vllm:num_requests_running 2
vllm:kv_cache_usage_perc 0.5
vllm:lora_requests_info{max_lora="4",running_lora_adapters="a",waiting_lora_adapters=""} 1
`;

/**
 * The picker's view of an engine with this page, under these flags. Adapters come from the reader's thread a moment after
 * the other signals, so a caller that expects them has them waited for.
 */
async function readUnder(flags: readonly string[], { hasAdapters = true } = {}) {
  engine = createServer((_, response) => response.end(page)).listen(0, "127.0.0.1");
  await once(engine, "listening");
  // A server that listens on TCP has an address object.
  const { port } = engine.address() as AddressInfo;
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-metric-flags-"));
  const endpoints = path.join(folder, "endpoints.yaml");
  await writeFile(endpoints, `endpoints: [{name: a, address: 127.0.0.1, port: ${port}}]\n`);
  const plugin = `{type: file-discovery, parameters: {path: ${JSON.stringify(endpoints)}}}`;
  child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--secure-serving=false"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    "--config-text",
    `{apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [${plugin}], dataLayer: {discovery: {pluginRef: file-discovery}}}`,
    ...flags,
  ]);
  const { metrics } = JSON.parse(await child.line(/"msg":"listening"/)) as { metrics: number };
  return eventually("signals of the engine", async () => {
    const response = await fetch(`http://127.0.0.1:${metrics}/debug/pool`);
    // The page is the picker's own.
    const { endpoints: shown } = (await response.json()) as {
      endpoints: {
        engine: string | null;
        waitingRequests: number;
        runningRequests: number;
        adapters: unknown;
      }[];
    };
    const [read] = shown;
    if (read?.engine == null || read.runningRequests === 0) return undefined;
    return hasAdapters && read.adapters === null ? undefined : read;
  });
}

describe("metrics that flags name", () => {
  it("take the place of vLLM's, and an empty name switches a signal off", async () => {
    const flags = ["--total-queued-requests-metric", "my:queue", "--lora-info-metric", ""];
    const read = await readUnder(flags, { hasAdapters: false });
    expect(read).toMatchObject({ engine: "vllm", waitingRequests: 7, adapters: null });
    expect(child?.output()).toContain("deprecated: describe metrics by core-metrics-extractor");
  });

  it("fall back to vLLM's own if the named ones have no series", async () => {
    const read = await readUnder([
      ...["--total-queued-requests-metric", "old:queue", "--lora-info-metric", "old:lora{a=b}"],
    ]);
    expect(read).toMatchObject({ waitingRequests: 1, adapters: { active: ["a"] } });
  });

  it("are vLLM's own where flags name those, without a word", async () => {
    const read = await readUnder(["--kv-cache-usage-percentage-metric=vllm:kv_cache_usage_perc"]);
    expect(read).toMatchObject({ waitingRequests: 1, adapters: { active: ["a"] } });
    expect(child?.output()).not.toContain("deprecated");
  });
});
