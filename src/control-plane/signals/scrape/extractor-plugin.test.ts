import { describe, expect, it } from "vitest";
import { familiesOf, signalsOf as signalsIn } from "./engines/mapping.ts";
import { engineChooser } from "./engines/engine-choice.ts";
import { metricsExtractorPlugin } from "./extractor-plugin.ts";
import { PrometheusTextParser } from "./exposition/prometheus-text.ts";
import { WantedFamilies } from "./exposition/wanted-families.ts";

function engineFor(parameters: object, labels: Record<string, string> = {}) {
  const loaded = metricsExtractorPlugin.load(parameters);
  if (loaded.kind === "invalid") throw new Error(JSON.stringify(loaded.mistakes));
  const chooser = engineChooser(loaded.build({ name: "core-metrics-extractor" }));
  const engine = chooser.named(labels) ?? chooser.known[0];
  if (engine === undefined) throw new Error("engines are built in");
  return engine;
}

/** The signals of an exposition, as the scraper reads them. */
function signalsOf(engine: ReturnType<typeof engineFor>, ...lines: string[]) {
  const parser = new PrometheusTextParser(new WantedFamilies(familiesOf(engine)));
  parser.push(Buffer.from(`${lines.join("\n")}\n`));
  return signalsIn(engine, parser.finish().families);
}

const custom = {
  name: "mine",
  queuedRequestsSpec: 'mine_requests{state="waiting"}',
  runningRequestsSpec: "mine_requests{state=running}",
  kvUsageSpec: "mine_kv",
  loraSpec: "mine_lora",
  cacheInfoSpec: "mine_cache",
  cacheBlockSizeLabelName: "page",
  cacheNumBlocksSpec: "mine_pages",
  customMetrics: [{ attributeKey: "gpu", metricSpec: "mine_gpu{card=a}" }],
};

describe("core-metrics-extractor", () => {
  it("reads an engine by the metrics that the document names", () => {
    const engine = engineFor({ engineConfigs: [custom], defaultEngine: "mine" });
    const signals = signalsOf(
      engine,
      'mine_requests{state="waiting",model="x"} 2',
      'mine_requests{state="waiting",model="y"} 3',
      'mine_requests{state="running"} 4',
      "mine_kv 0.5",
      'mine_cache{page="32"} 1',
      "mine_pages 1000",
      'mine_lora{max_lora="2",running_lora_adapters="a"} 1',
      'mine_gpu{card="a",rank="0"} 0.4',
      'mine_gpu{card="a",rank="1"} 0.6',
      'mine_gpu{card="b"} 9',
      "vllm:num_requests_waiting 99",
    );
    expect(signals).toEqual({
      waitingRequests: 5,
      runningRequests: 4,
      kvCacheUsedRatio: 0.5,
      blockTokens: 32,
      blocksMax: 1_000,
      adapters: { active: new Set(["a"]), waiting: new Set(), adaptersMax: 2 },
      startedAtSeconds: undefined,
      attributes: new Map([["core-metrics-extractor/gpu", 0.5]]),
    });
  });

  it("finds the engine of an endpoint by its label, also under the name a document gives it", () => {
    const parameters = { engineConfigs: [custom], engineLabelKey: "engine" };
    expect(engineFor(parameters).name).toBe("vllm");
    expect(engineFor(parameters, { engine: "mine" }).name).toBe("mine");
    expect(engineFor(parameters, { "llm-d.ai/engine-type": "mine" }).name).toBe("mine");
  });

  it("lets a document describe a built-in engine, and does not read signals it leaves out", () => {
    const engine = engineFor({
      engineConfigs: [{ name: "vllm", queuedRequestsSpec: "q", loraSpec: "" }],
    });
    expect(familiesOf(engine)).toEqual([
      "q",
      "vllm:num_requests_waiting",
      "vllm:prefix_cache_queries_total",
      "vllm:prefix_cache_hits_total",
      "vllm:gpu_prefix_cache_queries_total",
      "vllm:gpu_prefix_cache_hits_total",
      "process_start_time_seconds",
    ]);
    expect(signalsOf(engine, "q 7")).toMatchObject({ waitingRequests: 7, adapters: undefined });
    expect(engine.off).toEqual(["adapters"]);
  });

  it.each([
    ["vllm", ["vllm:num_requests_waiting 3"], 3],
    ["vllm", ["q 7", "vllm:num_requests_waiting 3"], 7],
    // For an engine that is not built in, the metric of any that is.
    ["mine", ["sglang:num_queue_reqs 4"], 4],
    ["vllm", ["sglang:num_queue_reqs 4"], undefined],
    // Another metric does not replace a value that is out of range.
    ["vllm", ["q NaN", "vllm:num_requests_waiting 3"], undefined],
  ])(
    "reads the built-in metric if the one that it names for %s has no series: %s",
    (name, lines, waiting) => {
      const parameters = {
        engineConfigs: [{ name, queuedRequestsSpec: "q" }],
        defaultEngine: name,
      };
      const signals = signalsOf(engineFor(parameters), ...lines);
      expect(signals.waitingRequests).toBe(waiting);
      expect(signals.runningRequests).toBeUndefined();
    },
  );

  it("can go to another thread as a whole", () => {
    const loaded = metricsExtractorPlugin.load({ engineConfigs: [custom] });
    if (loaded.kind === "invalid") throw new Error("refused");
    const choice = loaded.build({ name: "core-metrics-extractor" });
    expect(structuredClone(choice)).toEqual(choice);
  });

  it.each([
    { defaultEngine: "unheard-of" },
    { engineConfigs: [{ queuedRequestsSpec: "q" }] },
    { engineConfigs: [{ name: "x", queuedRequestsSpec: "q{" }] },
    { engineConfigs: [{ name: "x", customMetrics: [{ attributeKey: "a", metricSpec: "" }] }] },
  ])("refuses %j", (parameters) => {
    expect(metricsExtractorPlugin.load(parameters).kind).toBe("invalid");
  });

  it("accepts the parameters that KServe's controller writes for vLLM", () => {
    const parameters = {
      engineLabelKey: "inference.networking.k8s.io/engine-type",
      defaultEngine: "vllm",
      engineConfigs: [
        {
          name: "vllm",
          queuedRequestsSpec: "vllm:num_requests_waiting",
          runningRequestsSpec: "vllm:num_requests_running",
          kvUsageSpec: "vllm:kv_cache_usage_perc",
          loraSpec: "vllm:lora_requests_info",
          cacheInfoSpec: "vllm:cache_config_info",
        },
      ],
    };
    const signals = signalsOf(
      engineFor(parameters),
      "vllm:num_requests_waiting 1",
      'vllm:cache_config_info{block_size="16",num_gpu_blocks="500"} 1',
    );
    expect(signals).toMatchObject({ waitingRequests: 1, blockTokens: 16, blocksMax: 500 });
  });
});
