import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { ExtProcClient } from "#test/support/ext-proc-client.ts";
import { eventually } from "#test/support/wait.ts";

const engines: Server[] = [];
let child: Child | undefined;
let client: ExtProcClient | undefined;
let folder = "";

afterEach(async () => {
  client?.close();
  await child?.close();
  for (const engine of engines.splice(0)) {
    engine.closeAllConnections();
    engine.close();
  }
  await rm(folder, { recursive: true, force: true });
});

/** A series of vLLM V1, which names the adapters of all its requests in both lists. */
function seriesOf(adapters: string, updatedAtS: number): string {
  const lists = `running_lora_adapters="${adapters}",waiting_lora_adapters="${adapters}"`;
  return `vllm:lora_requests_info{max_lora="4",${lists}} ${updatedAtS}\n`;
}

const idle = `vllm:num_requests_waiting 0
vllm:num_requests_running 0
vllm:kv_cache_usage_perc 0
`;

async function anEngine(loraSeries: string): Promise<number> {
  const engine = createServer((_, response) => response.end(idle + loraSeries));
  engines.push(engine);
  engine.listen(0, "127.0.0.1");
  await once(engine, "listening");
  // A server that listens on TCP has an address object.
  return (engine.address() as AddressInfo).port;
}

/** A picker that goes by adapters alone, once it has read them of every engine. */
async function startPicker(ports: readonly number[]): Promise<ExtProcClient> {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-lora-"));
  const file = path.join(folder, "endpoints.json");
  const endpoints = ports.map((port) => ({ name: `e-${port}`, address: "127.0.0.1", port }));
  await writeFile(file, JSON.stringify({ endpoints }));
  const config = {
    apiVersion: "llm-d.ai/v1alpha1",
    kind: "EndpointPickerConfig",
    plugins: [
      { type: "file-discovery", parameters: { path: file } },
      { type: "lora-affinity-scorer" },
    ],
    schedulingProfiles: [{ name: "default", plugins: [{ pluginRef: "lora-affinity-scorer" }] }],
    dataLayer: { discovery: { pluginRef: "file-discovery" } },
  };
  child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--secure-serving=false"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ...["--config-text", JSON.stringify(config)],
  ]);
  // The log line is the picker's own.
  const at = JSON.parse(await child.line(/"msg":"listening"/)) as { grpc: number; metrics: number };
  await eventually("signals of all engines", async () => {
    const response = await fetch(`http://127.0.0.1:${at.metrics}/debug/pool`);
    // So is the page.
    const pool = (await response.json()) as { endpoints: { engine: string | null }[] };
    const isRead = pool.endpoints.every(({ engine }) => engine !== null);
    return isRead && pool.endpoints.length === ports.length ? true : undefined;
  });
  client = new ExtProcClient(at.grpc);
  return client;
}

/** Where so many requests for an adapter go, one after another. */
async function picksOf(picker: ExtProcClient, model: string): Promise<ReadonlySet<string>> {
  const picks = new Set<string>();
  for (let count = 0; count < 12; count += 1) {
    const { headers } = await picker.run({ body: JSON.stringify({ model, prompt: "hi" }) });
    picks.add(headers["x-gateway-destination-endpoint"] ?? "");
  }
  return picks;
}

describe("LoRA adapters of vLLM V1", () => {
  it("leave room where 2 of 4 slots are in use", async () => {
    const half = await anEngine(seriesOf("a,b", 1.7e9));
    const full = await anEngine(seriesOf("a,b,c,d", 1.7e9));
    const picker = await startPicker([half, full]);
    // 0.8 for the one with room, 0 for the full one
    expect(await picksOf(picker, "other")).toEqual(new Set([`127.0.0.1:${half}`]));
  });

  it("are known among 10,000 sets of them that the engine had before", async () => {
    const before = Array.from({ length: 10_000 }, (_, index) =>
      seriesOf(`a-${index % 100},b-${Math.floor(index / 100)}`, 1.6e9 + index),
    );
    const has = await anEngine([...before, seriesOf("wanted", 1.7e9), ...before].join(""));
    const room = await anEngine(seriesOf("x", 1.7e9));
    const picker = await startPicker([has, room]);
    // 1 for the one that has the adapter, 0.8 for the one with room
    expect(await picksOf(picker, "wanted")).toEqual(new Set([`127.0.0.1:${has}`]));
  });
});
