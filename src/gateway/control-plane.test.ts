import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { ClusterOptions } from "../control-plane/cluster.ts";
import { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { PoolPolicies } from "../state/pool-policies.ts";
import { createLogger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { type Build, buildConfig } from "./build-config.ts";
import { ControlPlane } from "./control-plane.ts";
import { LiveRouting, pluginMemory } from "./live-config.ts";
import { createPool } from "./pool.ts";
import { commitAll, prepareAll, type Reconfigurable, unchanged } from "./reconfigurable.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-control-plane-"));
  const [a, b] = [
    "{name: a, address: 127.0.0.1, port: 1}",
    "{name: b, address: 127.0.0.1, port: 2}",
  ];
  await writeFile(path.join(folder, "one.yaml"), `endpoints: [${a}]\n`);
  await writeFile(path.join(folder, "two.yaml"), `endpoints: [${a}, ${b}]\n`);
  await writeFile(path.join(folder, "wrong.yaml"), "endpoints: [{name: a, address: 127.0.0.1}]\n");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Parts {
  /** Name of the endpoints file; undefined for no discovery. */
  readonly file?: string | undefined;
  readonly plugins?: readonly string[];
  /** Further members of `dataLayer`. */
  readonly dataLayer?: string;
  readonly sections?: string;
}

function aBuild({
  file = "one.yaml",
  plugins = [],
  dataLayer = "",
  sections = "",
}: Parts = {}): Build {
  const discovery = `{type: file-discovery, parameters: {path: ${JSON.stringify(path.join(folder, file))}}}`;
  const text = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [${["{type: queue-scorer}", discovery, ...plugins].join(", ")}]
${file === "" ? "" : `dataLayer: {discovery: {pluginRef: file-discovery}${dataLayer}}`}
${sections}
`;
  const deps = { memory: new PluginMemory(), random: () => 0, allowsTestOnly: false };
  const result = buildConfig(text, deps);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.build;
}

/** A cluster that defines the pool. Nothing queries it here. */
const aCluster: ClusterOptions = {
  access: {
    ...{ server: "http://127.0.0.1:1", source: "test", isInCluster: false },
    credentials: () => Promise.reject(new Error("not asked")),
  },
  source: { kind: "pool", group: "inference.networking.k8s.io", namespace: "n", name: "llama" },
  ...{ configMap: undefined, election: undefined, instance: "test" },
};

async function aControlPlane(first: Build, isClusterSource = false) {
  const registry = new MetricsRegistry();
  const clock = new FakeClock();
  const { logger: log } = createLogger("warn");
  const pool = createPool({ clock, log, registry, memory: new PluginMemory() });
  const options = {
    cluster: isClusterSource ? aCluster : undefined,
    scrape: {
      ...({ scheme: "http", path: "/metrics", port: undefined, insecureSkipVerify: true } as const),
      ...{ intervalMs: 50, engine: undefined },
    },
  } as const;
  const controlPlane = new ControlPlane(options, {
    ...{ pool, clock, log, random: () => 0, policies: new PoolPolicies() },
    readiness: { set: () => undefined },
    metrics: new ScrapeMetrics(new Registry()),
    config: () => {
      throw new Error("no ConfigMap is followed");
    },
  });
  await controlPlane.loadFirst(first.controlPlane);
  return { controlPlane, ...pool, ids: () => pool.store.endpoints().map(({ id }) => id) };
}

const extractor = (name: string, metric = "gpu") =>
  `{name: ${name}, type: core-metrics-extractor, parameters: {engineConfigs: [{name: vllm, customMetrics: [{attributeKey: x, metricSpec: ${metric}}]}]}}`;

describe("the control plane under another configuration", () => {
  it.each<{ what: string; before?: Parts; after?: Parts; restarted: readonly string[] }>([
    { what: "nothing", restarted: [] },
    {
      what: "plugins of decisions",
      after: { plugins: ["{type: prefix-cache-scorer}"] },
      restarted: [],
    },
    {
      what: "the trust in reports",
      after: { sections: "signals: {trustBound: 9s}" },
      restarted: [],
    },
    {
      what: "the limits of ejection",
      after: { sections: "health: {failuresInRow: 9}" },
      restarted: [],
    },
    {
      what: "the pace of scrapes",
      after: { sections: "signals: {calmInterval: 300ms}" },
      restarted: ["scraping"],
    },
    {
      what: "active checks",
      after: { sections: "health: {check: {}}" },
      restarted: ["scraping"],
    },
    {
      what: "the source of metrics",
      after: { plugins: ["{type: metrics-data-source, parameters: {port: 9}}"] },
      restarted: ["scraping"],
    },
    {
      what: "the meaning of metrics",
      before: { plugins: [extractor("engines")] },
      after: { plugins: [extractor("engines", "npu")] },
      restarted: ["scraping"],
    },
    {
      what: "the name of an attribute",
      before: { plugins: [extractor("engines")] },
      after: { plugins: [extractor("others")] },
      restarted: ["scraping"],
    },
    { what: "the endpoints file", after: { file: "two.yaml" }, restarted: ["discovery"] },
  ])(
    "restarts only the parts that have to, if this changes: $what",
    async ({ before, after, restarted }) => {
      const first = aBuild(before);
      const { controlPlane } = await aControlPlane(first);
      const next = aBuild(after);
      const changing: string[] = [];
      for (const part of controlPlane.parts.filter(({ name }) => name !== "signals and health")) {
        const prepared = await part.prepare(next, first);
        if (prepared !== unchanged) changing.push(part.name);
      }
      expect(changing).toEqual(restarted);
    },
  );

  it("has the endpoints and settings of the next one once that is committed, not before", async () => {
    const first = aBuild();
    const { controlPlane, ids, health } = await aControlPlane(first);
    const next = aBuild({ file: "two.yaml", sections: "health: {failuresInRow: 9}" });
    // Scraping would start a thread.
    const parts = controlPlane.parts.filter(({ name }) => name !== "scraping");
    const prepared = await prepareAll(parts, next, first);
    expect(ids()).toEqual(["default/a"]);
    expect(health.settings.failuresInRowMax).toBe(3);
    if (prepared.kind === "invalid") throw new Error(prepared.mistakes.join("\n"));
    expect(commitAll(prepared.parts)).toEqual([]);
    expect(ids()).toEqual(["default/a", "default/b"]);
    expect(health.settings.failuresInRowMax).toBe(9);
  });

  it("drops findings of probes that the next one does not have", async () => {
    const first = aBuild({
      file: "two.yaml",
      plugins: ["{type: models-data-source}", "{type: models-data-extractor}"],
      dataLayer:
        ", sources: [{pluginRef: models-data-source, extractors: [{pluginRef: models-data-extractor}]}]",
      sections: "health: {check: {}}",
    });
    const { controlPlane, store, facts, health } = await aControlPlane(first);
    const stop = new AbortController();
    const running = controlPlane.run(first.controlPlane, stop.signal);
    const [endpoint] = store.endpoints();
    if (endpoint === undefined) throw new Error("the file has two");
    const { slot } = endpoint;
    facts.setModels({ slot, generation: store.board.generations[slot] ?? 0 }, ["a-model"]);
    // Nothing listens there, so the checks of the first scraper fail too.
    health.checked(endpoint, false, 0);
    const found = () => [facts.models?.size, facts.isServed("a-model"), health.stateOf(endpoint)];
    expect(found()).toMatchObject([1, true, { phase: "ejected", reason: "check" }]);

    const prepared = await prepareAll(controlPlane.parts, aBuild({ file: "two.yaml" }), first);
    if (prepared.kind === "invalid") throw new Error(prepared.mistakes.join("\n"));
    expect(commitAll(prepared.parts)).toEqual([]);
    await vi.waitUntil(() => facts.models === undefined, { timeout: 10_000 });
    expect(found()).toMatchObject([undefined, false, { phase: "trial", reason: "check" }]);
    stop.abort();
    await running;
  });

  it.each<{ why: string; parts: Parts; isClusterSource?: boolean; mistake: RegExp }>([
    {
      why: "its endpoints file is wrong",
      parts: { file: "wrong.yaml" },
      mistake: /^endpoints file: endpoints\[0\]/,
    },
    {
      why: "its endpoints file is missing",
      parts: { file: "no.yaml" },
      mistake: /^endpoints file: /,
    },
    {
      why: "it takes discovery away",
      parts: { file: "" },
      mistake: /cannot be taken away without a restart/,
    },
    {
      why: "the pool comes from the cluster",
      parts: { file: "two.yaml" },
      isClusterSource: true,
      mistake: /comes from the cluster/,
    },
  ])("refuses one if $why, and stays unchanged", async ({ parts, isClusterSource, mistake }) => {
    const first = aBuild();
    const { controlPlane, ids, health } = await aControlPlane(first, isClusterSource);
    const log = new DecisionLog();
    const routing = new LiveRouting(first, { ignoresSubset: false, bodyBytesMax: 1_000, log });
    const before = routing.inForce;
    let isMemoryKept = false;
    const next = {
      ...aBuild({ ...parts, sections: "health: {failuresInRow: 9}" }),
      keepMemory: () => void (isMemoryKept = true),
    };
    // In the order of a gateway.
    const all: readonly Reconfigurable<Build>[] = [...controlPlane.parts, routing, pluginMemory];
    const prepared = await prepareAll(all, next, first);
    expect(prepared).toEqual({ kind: "invalid", mistakes: [expect.stringMatching(mistake)] });
    expect([ids(), health.settings.failuresInRowMax]).toEqual([["default/a"], 3]);
    expect(routing.inForce).toBe(before);
    expect(isMemoryKept).toBe(false);
  });
});
