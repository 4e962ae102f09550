import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { startPointsman } from "#test/support/child.ts";
import { metricsMistakes } from "#test/support/metrics-lint.ts";
import { eventually } from "#test/support/wait.ts";
import { startEngines } from "#test/support/simulated.ts";

it("gives metrics that promtool finds nothing wrong with", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-metrics-"));
  const engines = await startEngines({ engines: 2 });
  const endpoints = path.join(folder, "endpoints.json");
  const config = path.join(folder, "config.yaml");
  await writeFile(endpoints, JSON.stringify({ endpoints: engines.engines }));
  await writeFile(
    config,
    `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: queue-scorer}, {type: file-discovery, parameters: {path: ${endpoints}}}]
dataLayer: {discovery: {pluginRef: file-discovery}}
`,
  );
  const child = startPointsman([
    ...["serve", "--config-file", config, "--bind-address", "127.0.0.1", "--grpc-port", "0"],
    ...["--grpc-health-port", "0", "--metrics-port", "0"],
  ]);
  try {
    const { metrics } = JSON.parse(await child.line(/"msg":"listening"/)) as { metrics: number };
    const text = await eventually("endpoints have been scraped", async () => {
      const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
      return /llm_d_epp_per_endpoint_queue_size\{.*\} 0/.test(page) ? page : undefined;
    });
    expect(await metricsMistakes(text)).toBe("");

    const engine = engines.engines[0];
    const page = await (await fetch(`http://${engine?.address}:${engine?.port}/metrics`)).text();
    expect(page).toContain("vllm:num_requests_running");
  } finally {
    await child.close();
    await engines.close();
    await rm(folder, { recursive: true, force: true });
  }
});
