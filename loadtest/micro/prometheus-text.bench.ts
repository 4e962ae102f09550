/**
 * Reading one vLLM exposition of 60 KB, in the 16 KB chunks a socket delivers, and one that has shown 20,000 sets of LoRA
 * adapters.
 *
 *     node --expose-gc loadtest/micro/prometheus-text.bench.ts
 */
import { bench, do_not_optimize, run } from "mitata";
import {
  familiesOf,
  newestSpecsOf,
  signalsOf,
} from "../../src/control-plane/signals/scrape/engines/mapping.ts";
import { vllm } from "../../src/control-plane/signals/scrape/engines/vllm.ts";
import { PrometheusTextParser } from "../../src/control-plane/signals/scrape/exposition/prometheus-text.ts";
import { WantedFamilies } from "../../src/control-plane/signals/scrape/exposition/wanted-families.ts";

const labels = 'engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"';

/** A histogram as vLLM writes it: 5 request lengths and latencies have some 20 buckets each. */
function histogram(name: string, bucketCount: number): string {
  const buckets = Array.from(
    { length: bucketCount },
    (_, index) => `vllm:${name}_bucket{${labels},le="${2 ** index}.0"} ${index * 1_013}.0`,
  );
  return [
    `# HELP vllm:${name} Histogram of ${name.replaceAll("_", " ")}.`,
    `# TYPE vllm:${name} histogram`,
    ...buckets,
    `vllm:${name}_bucket{${labels},le="+Inf"} ${bucketCount * 1_013}.0`,
    `vllm:${name}_count{${labels}} 20260.0`,
    `vllm:${name}_sum{${labels}} 1.2345678e+06`,
  ].join("\n");
}

const gauges = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{${labels}} 37.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{${labels}} 4.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{${labels}} 0.6183712
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_gpu_blocks="27389"} 1.0
# HELP vllm:lora_requests_info Running stats on lora requests.
# TYPE vllm:lora_requests_info gauge
vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql,chat",waiting_lora_adapters=""} 1.764e+09`;

const exposition = [
  gauges,
  ...Array.from({ length: 24 }, (_, index) => histogram(`request_measure_${index}_seconds`, 22)),
  "",
].join("\n");

/** One of the sets of adapters that an engine has shown, in the order of their names. */
function loraSeries(index: number): string {
  const set = Array.from({ length: 15 }, (_, bit) => (index >> bit) & 1)
    .flatMap((isIn, bit) => (isIn === 1 ? [`adapter-${bit}`] : []))
    .join(",");
  const lists = `running_lora_adapters="${set}",waiting_lora_adapters="${set}"`;
  return `vllm:lora_requests_info{max_lora="4",${lists}} ${1.7e9 + ((index * 7_919) % 20_000)}\n`;
}

const expositions = [
  exposition,
  exposition + Array.from({ length: 20_000 }, (_, index) => loraSeries(index)).join(""),
];
const parser = new PrometheusTextParser(
  new WantedFamilies(familiesOf(vllm)),
  newestSpecsOf([vllm]),
);

for (const text of expositions) {
  const body = Buffer.from(text);
  const chunks = Array.from({ length: Math.ceil(body.length / 16_384) }, (_, index) =>
    body.subarray(index * 16_384, (index + 1) * 16_384),
  );
  const lines = text.split("\n").length;
  bench(`vLLM exposition, ${body.length} bytes, ${lines} lines`, () => {
    for (const chunk of chunks) parser.push(chunk);
    do_not_optimize(signalsOf(vllm, parser.finish().families));
  });
}

await run();
