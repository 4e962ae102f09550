import type { EngineSnapshot } from "../engine-contract.ts";
import { type EngineOptions, kvBlocksOf } from "../engine-options.ts";
import type { EngineStats, SecondsHistogram } from "../engine-stats.ts";

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

export interface MetricsSource {
  readonly model: string;
  readonly options: EngineOptions;
  readonly snapshot: EngineSnapshot;
  readonly stats: EngineStats;
  /** Start time of the engine's process, in seconds since the Unix epoch, with a fraction. */
  readonly startedAtS: number;
}

type Labels = Readonly<Record<string, string>>;

/** An engine's /metrics: the names, labels and types of vLLM's V1 engine. */
export function metricsPageOf(source: MetricsSource): string {
  const page = new MetricsPage({ model_name: source.model, engine: "0" });
  writeGauges(page, source);
  writeCounters(page, source);
  writeHistograms(page, source.stats);
  return page.text();
}

function writeGauges(page: MetricsPage, source: MetricsSource): void {
  const { options, snapshot, stats, startedAtS } = source;
  const gauge = (name: string, help: string) => page.family(name, "gauge", help);
  gauge("vllm:num_requests_running", "Requests in the running batch.").sample(
    snapshot.runningRequests,
  );
  gauge("vllm:num_requests_waiting", "Requests that wait to be run.").sample(
    snapshot.waitingRequests,
  );
  gauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use; 1 is all of it.").sample(
    snapshot.kvUsedRatio,
  );
  gauge("vllm:lora_requests_info", "LoRA adapters of requests; the value is a time.");
  for (const { adapters, atS } of stats.adapterSets.shown()) {
    // V1 fills both lists from one set: the adapters of all requests it has.
    const names = adapters.join(",");
    page.bareSample(atS, {
      max_lora: String(options.loraSlotsMax),
      waiting_lora_adapters: names,
      running_lora_adapters: names,
    });
  }
  gauge("vllm:cache_config_info", "Configuration of the KV cache.").bareSample(1, {
    block_size: String(options.blockTokens),
    cache_dtype: "auto",
    enable_prefix_caching: options.prefixCaching ? "True" : "False",
    engine: "0",
    gpu_memory_utilization: "0.9",
    num_gpu_blocks: String(kvBlocksOf(options)),
    num_gpu_blocks_override: "None",
    sliding_window: "None",
  });
  // Its change is the only sign of a restart on the page.
  gauge("process_start_time_seconds", "When the process started.").bareSample(startedAtS, {});
}

function writeCounters(page: MetricsPage, { snapshot, stats }: MetricsSource): void {
  const counters: readonly (readonly [name: string, help: string, value: number])[] = [
    [
      "vllm:prefix_cache_queries_total",
      "Prompt tokens looked up in the prefix cache.",
      snapshot.prefixQueryTokensTotal,
    ],
    [
      "vllm:prefix_cache_hits_total",
      "Prompt tokens found in the prefix cache.",
      snapshot.prefixHitTokensTotal,
    ],
    ["vllm:num_preemptions_total", "Preemptions of running requests.", snapshot.preemptionsTotal],
    ["vllm:prompt_tokens_total", "Prompt tokens of served requests.", snapshot.promptTokensTotal],
    ["vllm:generation_tokens_total", "Generated tokens.", snapshot.outputTokensTotal],
  ];
  for (const [name, help, value] of counters) page.family(name, "counter", help).sample(value);
  page.family("vllm:request_success_total", "counter", "Requests by the way they ended.");
  for (const [finished_reason, count] of Object.entries(stats.endedRequests())) {
    page.sample(count, { finished_reason });
  }
}

function writeHistograms(page: MetricsPage, stats: EngineStats): void {
  const histogram = (name: string, help: string) => page.family(name, "histogram", help);
  histogram("vllm:time_to_first_token_seconds", "Time to the first token.").buckets(
    stats.timeToFirstToken,
  );
  histogram("vllm:e2e_request_latency_seconds", "Time from arrival to the last token.").buckets(
    stats.requestLatency,
  );
  histogram("vllm:request_queue_time_seconds", "Time in the waiting queue.").buckets(
    stats.queueTime,
  );
}

/** Writes the Prometheus text format, version 0.0.4. */
class MetricsPage {
  readonly #labels: Labels;
  readonly #lines: string[] = [];
  #name = "";

  constructor(labels: Labels) {
    this.#labels = labels;
  }

  /** Starts a family; the samples that follow belong to it. */
  family(name: string, type: "gauge" | "counter" | "histogram", help: string): this {
    this.#name = name;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    return this;
  }

  sample(value: number, labels: Labels = {}): void {
    this.bareSample(value, { ...labels, ...this.#labels });
  }

  /** A sample without the labels that all others carry. */
  bareSample(value: number, labels: Labels): void {
    this.#lines.push(`${this.#name}${labelsTextOf(labels)} ${value}`);
  }

  buckets({ bounds, counts, sum, count }: SecondsHistogram): void {
    let below = 0;
    for (const [index, inBucket] of counts.entries()) {
      below += inBucket;
      const bound = bounds[index];
      const le = bound === undefined ? "+Inf" : String(bound);
      const labels = labelsTextOf({ le, ...this.#labels });
      this.#lines.push(`${this.#name}_bucket${labels} ${below}`);
    }
    const labels = labelsTextOf(this.#labels);
    this.#lines.push(`${this.#name}_sum${labels} ${sum}`, `${this.#name}_count${labels} ${count}`);
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

function labelsTextOf(labels: Labels): string {
  if (Object.keys(labels).length === 0) return "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapedOf(value)}"`);
  return `{${pairs.join(",")}}`;
}

function escapedOf(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
