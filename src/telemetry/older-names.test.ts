import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { withOlderNames } from "./older-names.ts";

const modelLabels = ["model_name", "target_model_name", "fairness_id", "priority"] as const;

function labelled(fairness: string, model = "m") {
  return { model_name: model, target_model_name: "t", fairness_id: fairness, priority: "0" };
}

function linesOf(page: string, name: string): string[] {
  return page.split("\n").filter((line) => line.startsWith(name));
}

describe("metrics under their older names", () => {
  it("sum away the labels that the older family does not have", async () => {
    const registry = new Registry();
    const total = new Counter({
      name: "llm_d_epp_request_total",
      help: "Requests.",
      labelNames: modelLabels,
      registers: [registry],
    });
    total.inc(labelled("a"), 2);
    total.inc(labelled("b"), 3);
    total.inc(labelled("b", 'odd"\\\n'), 1);
    const page = await withOlderNames(await registry.metrics());
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
    const registry = new Registry();
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
    expect(linesOf(await withOlderNames(await registry.metrics()), older)).toEqual([
      `${older}_bucket{${labels},le="1"} 1`,
      `${older}_bucket{${labels},le="2"} 2`,
      `${older}_bucket{${labels},le="+Inf"} 2`,
      `${older}_sum{${labels}} 2`,
      `${older}_count{${labels}} 2`,
    ]);
  });

  it("read labels that are called otherwise today", async () => {
    const registry = new Registry();
    const queue = new Gauge({
      name: "llm_d_epp_per_endpoint_queue_size",
      help: "Waiting.",
      labelNames: ["name", "model_server_endpoint"],
      registers: [registry],
    });
    queue.set({ name: "llama", model_server_endpoint: "n/a-rank-0" }, 4);
    expect(
      linesOf(await withOlderNames(await registry.metrics()), "inference_pool_per_pod"),
    ).toEqual(['inference_pool_per_pod_queue_size{name="llama",model_server_pod="n/a-rank-0"} 4']);
  });

  it("name the pod of an endpoint, and nothing of labels that a family never had", async () => {
    const registry = new Registry();
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
    const page = await withOlderNames(await registry.metrics());
    expect(linesOf(page, "inference_extension_")).toEqual([
      'inference_extension_scheduler_attempts_total{status="success",target_model_name="t",namespace="n",port="8000",pod_name="a"} 1',
      "inference_extension_prefix_indexer_size 7",
    ]);
  });

  it("are none for families that a registry does not have", async () => {
    expect(await withOlderNames("# HELP other Help.\n# TYPE other gauge\nother 1\n")).toBe(
      "# HELP other Help.\n# TYPE other gauge\nother 1\n",
    );
  });
});
