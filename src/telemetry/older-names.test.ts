import { Counter, Gauge, Histogram } from "prom-client";
import { describe, expect, it } from "vitest";
import { aDecision, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
import { pageOf } from "#test/support/metrics.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import { underOlderName } from "./older-names.ts";
import { RequestMetrics } from "./request-metrics.ts";

const modelLabels = ["model_name", "target_model_name", "fairness_id", "priority"] as const;

function labelled(fairness: string, model = "m") {
  return { model_name: model, target_model_name: "t", fairness_id: fairness, priority: "0" };
}

function linesOf(page: string, name: string): string[] {
  return page.split("\n").filter((line) => line.startsWith(name));
}

describe("metrics under their older names", () => {
  it("sum away the labels that the older family does not have", async () => {
    const registry = new MetricsRegistry();
    const total = new Counter({
      name: "llm_d_epp_request_total",
      help: "Requests.",
      labelNames: modelLabels,
      registers: [registry],
    });
    total.inc(labelled("a"), 2);
    total.inc(labelled("b"), 3);
    total.inc(labelled("b", 'odd"\\\n'), 1);
    const page = await pageOf(registry, { hasOlderNames: true });
    expect(page).toContain(
      "# HELP inference_objective_request_total Requests. Now llm_d_epp_request_total.\n" +
        "# TYPE inference_objective_request_total counter\n",
    );
    expect(linesOf(page, "inference_objective_request_total{")).toEqual([
      'inference_objective_request_total{model_name="m",target_model_name="t",priority="0"} 5',
      String.raw`inference_objective_request_total{model_name="odd\"\\\n",target_model_name="t",priority="0"} 1`,
    ]);
  });

  it("have the buckets, the sum and the count of a histogram", async () => {
    const registry = new MetricsRegistry();
    const duration = new Histogram({
      name: "llm_d_epp_request_duration_seconds",
      help: "Duration.",
      labelNames: modelLabels,
      buckets: [1, 2],
      registers: [registry],
    });
    duration.observe(labelled("a"), 0.5);
    duration.observe(labelled("b"), 1.5);
    const older = "inference_objective_request_duration_seconds";
    const labels = 'model_name="m",target_model_name="t"';
    expect(linesOf(await pageOf(registry, { hasOlderNames: true }), older)).toEqual([
      `${older}_bucket{${labels},le="1"} 1`,
      `${older}_bucket{${labels},le="2"} 2`,
      `${older}_bucket{${labels},le="+Inf"} 2`,
      `${older}_sum{${labels}} 2`,
      `${older}_count{${labels}} 2`,
    ]);
  });

  it("read labels that are called otherwise today", async () => {
    const registry = new MetricsRegistry();
    const queue = new Gauge({
      name: "llm_d_epp_per_endpoint_queue_size",
      help: "Waiting.",
      labelNames: ["name", "model_server_endpoint"],
      registers: [registry],
    });
    queue.set({ name: "llama", model_server_endpoint: "n/a-rank-0" }, 4);
    expect(
      linesOf(await pageOf(registry, { hasOlderNames: true }), "inference_pool_per_pod"),
    ).toEqual(['inference_pool_per_pod_queue_size{name="llama",model_server_pod="n/a-rank-0"} 4']);
  });

  it("name the pod of an endpoint, and nothing of labels that a family never had", async () => {
    const registry = new MetricsRegistry();
    const attempts = new Counter({
      name: "llm_d_epp_scheduler_attempts_total",
      help: "Decisions.",
      labelNames: ["status", "target_model_name", "endpoint_name", "namespace", "port"],
      registers: [registry],
    });
    const labels = { status: "success", target_model_name: "t", namespace: "n" };
    attempts.inc({ ...labels, endpoint_name: "a-rank-0", port: "8000" });
    const size = new Gauge({
      name: "llm_d_epp_prefix_indexer_size",
      help: "Blocks.",
      labelNames: ["plugin_name", "plugin_type"],
      registers: [registry],
    });
    size.set({ plugin_name: "a", plugin_type: "x" }, 3);
    size.set({ plugin_name: "b", plugin_type: "x" }, 4);
    const page = await pageOf(registry, { hasOlderNames: true });
    expect(linesOf(page, "inference_extension_")).toEqual([
      'inference_extension_scheduler_attempts_total{status="success",target_model_name="t",namespace="n",port="8000",pod_name="a"} 1',
      "inference_extension_prefix_indexer_size 7",
    ]);
  });

  it("are none for families that never had one", () => {
    expect(underOlderName("# HELP other Help.\n# TYPE other gauge\nother 1\n")).toBe("");
  });

  it("sum what requests of several flows counted, attempts of a pod's ports among them", async () => {
    const registry = new MetricsRegistry();
    const metrics = new RequestMetrics(registry);
    for (const [fairness, seconds, rank] of [
      ["a", 0.5, 0],
      ["b", 1.5, 1],
    ] as const) {
      const headers = new Map([["x-llm-d-inference-fairness-id", fairness]]);
      const request = aRequest({ head: { ...aRecord().head, headers } });
      const decision = aDecision({ endpoints: [anEndpoint({ name: `pod-rank-${rank}` })] });
      metrics.routed(request, decision);
      metrics.ended(aRecord({ request, decision, startedMs: 0, endedMs: seconds * 1_000 }));
    }
    const page = await pageOf(registry, { hasOlderNames: true });
    const labels = 'model_name="llama",target_model_name="llama"';
    const duration = "inference_objective_request_duration_seconds";
    const lines = linesOf(page, duration);
    // 0.5 s is within its own bucket only, 1.5 s + 0.5 s are 2 s in all.
    expect(lines).toContain(`${duration}_bucket{le="0.4",${labels}} 0`);
    expect(lines).toContain(`${duration}_bucket{le="0.6",${labels}} 1`);
    expect(lines).toContain(`${duration}_bucket{le="1.5",${labels}} 2`);
    expect(lines.slice(-3)).toEqual([
      `${duration}_bucket{le="+Inf",${labels}} 2`,
      `${duration}_sum{${labels}} 2`,
      `${duration}_count{${labels}} 2`,
    ]);
    expect(linesOf(page, "inference_objective_request_total{")).toEqual([
      `inference_objective_request_total{${labels},priority="0"} 2`,
    ]);
    expect(linesOf(page, "inference_objective_running_requests{")).toEqual([
      'inference_objective_running_requests{model_name="llama"} 0',
    ]);
    expect(linesOf(page, "inference_extension_scheduler_attempts_total{")).toEqual([
      'inference_extension_scheduler_attempts_total{status="success",target_model_name="llama",namespace="default",port="8000",pod_name="pod"} 2',
    ]);
  });
});
