import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { aClusterPod, aClusterPool, collections, FakeCluster } from "#test/support/fake-cluster.ts";
import { freePort } from "#test/support/free-port.ts";
import { kubeconfigText } from "#test/support/kubeconfig.ts";
import { eventually } from "#test/support/wait.ts";

let folder: string;
let children: Child[];
let stop: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-status-"));
  children = [];
  stop = new AbortController();
});

afterEach(async () => {
  await Promise.all(children.map((child) => child.close()));
  stop.abort();
  await rm(folder, { recursive: true, force: true });
});

/** A picker, and the address of its metrics port. */
async function servedAt(...flags: readonly string[]): Promise<string> {
  const child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--secure-serving=false"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0", ...flags],
  ]);
  children.push(child);
  const { metrics } = JSON.parse(await child.line(/"msg":"listening"/)) as { metrics: number };
  return `http://127.0.0.1:${metrics}`;
}

/** What `status` prints, and its exit code. */
async function status(...argv: readonly string[]) {
  const child = startPointsman(["status", ...argv]);
  children.push(child);
  const code = await child.ended;
  return { code, output: child.output() };
}

describe("status", () => {
  it("shows a pool and ends with 0", async () => {
    const endpoints = path.join(folder, "endpoints.yaml");
    await writeFile(endpoints, "endpoints: [{name: a, address: 127.0.0.1, port: 1}]\n");
    const plugin = `{type: file-discovery, parameters: {path: ${JSON.stringify(endpoints)}}}`;
    const url = await servedAt(
      "--config-text",
      `{apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [${plugin}], dataLayer: {discovery: {pluginRef: file-discovery}}}`,
    );
    const { code, output } = await status("--url", url);
    expect(code).toBe(0);
    expect(output).toMatch(/^pool epp: ready\n1 endpoint, 1 taking requests, 0 excluded/);
    expect(output).toMatch(/^default\/a +127\.0\.0\.1:1 /m);
    // Nothing listens at port 1.
    await eventually("a failed scrape", async () => {
      const page = await status("--url", url);
      const isBlind = /^default\/a +127\.0\.0\.1:1 +no metrics \(connect \d+\) +-/m;
      return isBlind.test(page.output) ? true : undefined;
    });
    const json = await status("--url", url, "--output=json");
    expect(JSON.parse(json.output)).toMatchObject({
      name: "epp",
      endpoints: [{ id: "default/a" }],
    });
  });

  it("shows an endpoint whose address belongs to another one, and so do log and metrics", async () => {
    const cluster = new FakeCluster();
    cluster.put(collections.pools, aClusterPool(8_000));
    cluster.put(collections.pods, aClusterPod({ name: "old", createdAt: 1, isDeleted: true }));
    cluster.put(collections.pods, aClusterPod({ name: "new", createdAt: 9 }));
    const kubeconfig = path.join(folder, "kubeconfig");
    await writeFile(kubeconfig, kubeconfigText({ server: await cluster.listen(stop.signal) }));
    const url = await servedAt(
      ...["--kubeconfig", kubeconfig, "--pool-name", "llama", "--pool-namespace", "n"],
    );
    const left = await eventually("the pool", async () => {
      const { output } = await status("--url", url);
      return output.includes("1 taking requests") ? output : undefined;
    });
    expect(left).toMatch(/^n\/new-rank-0 +10\.0\.0\.1:8000 /m);
    expect(left).toMatch(/^n\/old +terminating$/m);
    expect(left).toMatch(
      /^n\/old-rank-0 +duplicate-address \(10\.0\.0\.1:8000 belongs to n\/new-rank-0, which takes requests\)$/m,
    );
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('pointsman_left_out_endpoints{reason="duplicate-address"} 1\n');
    expect(metrics).toContain('pointsman_left_out_endpoints{reason="capacity"} 0\n');

    // An event that changes nothing of it is no news.
    const labels = { seen: "1" };
    cluster.put(collections.pods, aClusterPod({ name: "new", createdAt: 9, labels }));
    const picker = children[0];
    await picker?.line(/"updated":1/);
    cluster.remove(collections.pods, "old");
    await picker?.line(/"msg":"endpoints no longer left out"/);
    const lines = picker?.output().match(/"msg":"endpoints left out"/g);
    expect(lines).toHaveLength(1);
    expect(picker?.output()).not.toMatch(/pool is not known|"msg":"pool not (?:found|read)"/);
  });

  it("ends with 2 for a picker that is not ready, and says why", async () => {
    const { code, output } = await status("--url", await servedAt());
    expect(code).toBe(2);
    expect(output).toContain("pool epp: not ready: the pool is not known");
  });

  it("ends with 1 where there is nobody to ask, or nothing that makes sense", async () => {
    const port = await freePort();
    const nobody = await status("--url", `http://127.0.0.1:${port}`);
    expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining("ECONNREFUSED") });
    const noUrl = await status("--url", "picker");
    expect(noUrl).toMatchObject({
      code: 1,
      output: expect.stringContaining('invalid URL "picker"'),
    });
    const noFile = await status("--token-file", path.join(folder, "none"));
    expect(noFile).toMatchObject({
      code: 1,
      output: expect.stringContaining("--token-file: ENOENT"),
    });
  });
});
