import { setImmediate as othersTurn } from "node:timers/promises";
import { Gauge } from "prom-client";
import { describe, expect, it } from "vitest";
import { aDecision, aRecord, aRequest } from "#test/support/builders.ts";
import { pageOf } from "#test/support/metrics.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import { RequestMetrics } from "./request-metrics.ts";

const usage = { promptTokens: 1, outputTokens: 1, cachedTokens: 1 };
const options = { hasOlderNames: true };

/** Metrics of one registry, and a way to run a request of a model through them. */
function observed() {
  const registry = new MetricsRegistry();
  const metrics = new RequestMetrics(registry, {
    known: { has: (model) => model.startsWith("known"), rewrites: () => false },
  });
  const began = (model: string) => {
    const request = aRequest({ model, bodyBytes: 1 });
    const decision = aDecision();
    metrics.routed(request, decision);
    return { request, decision };
  };
  return {
    registry,
    began,
    metrics,
    /** Every size, count and duration in seconds of the request is 1. */
    ran: (model: string) =>
      metrics.ended(
        aRecord({ ...began(model), usage, responseBytes: 1, startedMs: 0, endedMs: 1_000 }),
      ),
  };
}

/** Sample lines of a page, as series and value. */
function samplesOf(page: string) {
  return page
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const end = line.lastIndexOf(" ");
      return { series: line.slice(0, end), value: Number(line.slice(end + 1)) };
    });
}

describe("a page of metrics", () => {
  it("gives others their turn between its chunks, each of which is small", async () => {
    const { registry, ran } = observed();
    for (let model = 0; model < 300; model += 1) ran(`known-${model}`);
    let turns = 0;
    const over = new AbortController();
    const counting = (async () => {
      while (!over.signal.aborted) {
        await othersTurn();
        turns += 1;
      }
    })();
    const sizes: number[] = [];
    for await (const chunk of registry.chunks(options)) sizes.push(chunk.length);
    over.abort();
    await counting;
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(5_000_000);
    // A chunk ends with the series that makes it large enough.
    expect(Math.max(...sizes)).toBeLessThan(150_000);
    expect(turns).toBeGreaterThanOrEqual(sizes.length - 1);
  });

  it("takes few turns for many small families, so that it is read within seconds under load", async () => {
    const registry = new MetricsRegistry();
    const many = Array.from({ length: 100 }, (_, index) => `family_${index}`);
    for (const name of many) {
      registry.registerMetric(new Gauge({ name, help: "Help.", registers: [] }));
    }
    const chunks: string[] = [];
    for await (const chunk of registry.chunks(options)) chunks.push(chunk);
    const page = chunks.join("");
    expect(many.filter((name) => page.includes(`\n${name} 0\n`))).toEqual(many);
    expect(chunks.length).toBeLessThan(4);
  });

  it("has each series once, and its numbers of one moment, while requests go on", async () => {
    const { registry, ran, began, metrics } = observed();
    for (let model = 0; model < 100; model += 1) ran(`known-${model}`);
    let page = "";
    let round = 0;
    for await (const chunk of registry.chunks(options)) {
      page += chunk;
      round += 1;
      for (let model = 0; model < 100; model += 7) ran(`known-${model}`);
      ran(`new-${round}`);
      // Comes, is refused by the engine, and comes again.
      for (let again = 0; again < 2; again += 1) {
        metrics.ended(
          aRecord({
            ...began("invented"),
            failure: { code: "upstream_404", blame: "client" },
            httpStatus: 404,
          }),
        );
      }
      began("invented");
    }
    expect(round).toBeGreaterThan(5);
    const samples = samplesOf(page);
    expect(new Set(samples.map(({ series }) => series)).size).toBe(samples.length);
    const values = new Map(samples.map(({ series, value }) => [series, value]));
    const counts = samples.filter(({ series }) =>
      /^(?:llm_d_epp|inference_objective)_\w+_count\{/.test(series),
    );
    expect(counts.length).toBeGreaterThan(100);
    for (const { series, value } of counts) {
      const infinite = series.replace("_count{", '_bucket{le="+Inf",');
      expect([series, values.get(infinite)]).toEqual([series, value]);
    }
    const isOneEach = /request_size|request_sizes|_tokens_count|ntpot/;
    for (const { series, value } of counts.filter((sample) => isOneEach.test(sample.series))) {
      expect(values.get(series.replace("_count{", "_sum{"))).toBe(value);
    }
  });

  it("is the same for two readers at once", async () => {
    const { registry, ran } = observed();
    for (let model = 0; model < 50; model += 1) ran(`known-${model}`);
    const [first, second] = await Promise.all([
      pageOf(registry, options),
      pageOf(registry, options),
    ]);
    expect(first).toBe(second);
    expect(first).toBe(await pageOf(registry, options));
  });

  it("counts its readers, those who leave early among them", async () => {
    const { registry, ran } = observed();
    for (let model = 0; model < 50; model += 1) ran(`known-${model}`);
    const page = registry.chunks(options);
    expect(registry.readers).toBe(0);
    await page.next();
    expect(registry.readers).toBe(1);
    await page.return(undefined);
    expect(registry.readers).toBe(0);
  });

  it("ends, and counts its reader no more, where a family cannot be computed", async () => {
    const registry = new MetricsRegistry();
    registry.registerMetric(
      new Gauge({
        name: "broken",
        help: "Help.",
        registers: [],
        collect: () => {
          throw new Error("broken");
        },
      }),
    );
    await expect(registry.metrics()).rejects.toThrow("broken");
    expect(registry.readers).toBe(0);
  });

  it("says how many label sets there are, and which bound has folded labels, once in the log", async () => {
    const registry = new MetricsRegistry();
    const logged: unknown[] = [];
    const metrics = new RequestMetrics(registry, {
      fairnessIdsMax: 1,
      log: { warn: (fields, message) => logged.push([message, fields]) },
    });
    for (const flow of ["a", "b", "c"]) {
      const headers = new Map([["x-llm-d-inference-fairness-id", flow]]);
      const request = aRequest({ head: { ...aRecord().head, headers } });
      const decision = aDecision();
      metrics.routed(request, decision);
      metrics.ended(aRecord({ request, decision }));
    }
    const page = await pageOf(registry, options);
    // llama with `a` and with `other`
    expect(page).toContain("\npointsman_metric_label_sets 2\n");
    expect(page).toContain('\npointsman_metric_labels_folded_total{bound="fairness-ids"} 2\n');
    expect(logged).toEqual([
      ["metric labels folded into other", { bound: "fairness-ids", max: 1 }],
    ]);
  });
});
