/** The model that every engine serves. */
export const model = "bench";

/** Events of a streamed answer, without the one that ends it. */
export const eventsPerAnswer = 200;

const shared = { id: "chatcmpl-bench", created: 1_700_000_000, model };

/** Text of a whole answer, about as long as the events of a stream together. */
const text = "The quick brown fox jumps over the lazy dog. ".repeat(8).trimEnd();

/** The JSON of an answer that is not streamed. */
export const plainBody = JSON.stringify({
  ...shared,
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
  usage: { prompt_tokens: 512, completion_tokens: 64, total_tokens: 576 },
});

/** The events of a streamed answer, each a piece of its own on the wire. */
export const events: readonly string[] = [
  ...Array.from({ length: eventsPerAnswer }, (_, index) => eventOf(index)),
  "data: [DONE]\n\n",
];

function eventOf(index: number): string {
  const isLast = index === eventsPerAnswer - 1;
  const delta = index === 0 ? { role: "assistant", content: "" } : { content: ` word${index}` };
  return `data: ${JSON.stringify({
    ...shared,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: isLast ? "stop" : null }],
  })}\n\n`;
}

/** Metrics of an idle engine, as vLLM names them. */
export const metricsPage = `# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="${model}"} 0
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="${model}"} 1
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="${model}"} 0.1
# TYPE vllm:lora_requests_info gauge
vllm:lora_requests_info{max_lora="4",running_lora_adapters="",waiting_lora_adapters=""} 1700000000
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",num_gpu_blocks="20000"} 1
`;

/** Bodies of answers to other paths than those of requests, by path without its query. */
export const otherBodies: Readonly<Record<string, string>> = {
  "/v1/models": JSON.stringify({
    object: "list",
    data: [{ id: model, object: "model", created: 1_700_000_000, owned_by: "bench" }],
  }),
  // Two names of the same page, of older and newer SGLang.
  "/get_model_info": JSON.stringify({ model_path: model, is_generation: true }),
  "/model_info": JSON.stringify({ model_path: model, is_generation: true }),
  "/get_server_info": JSON.stringify({ model_path: model, served_model_name: model }),
  "/server_info": JSON.stringify({ model_path: model, served_model_name: model }),
  "/health": "{}",
  "/health_generate": "{}",
};
