import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { model, otherBodies } from "../http-gateway/answers.ts";

/**
 * Metrics pages of many engines, as one process: `engines.ts COUNT` prints their ports as one line of JSON. It
 * works on sockets with prepared answers, so that it costs little next to a picker that reads them 20 times a
 * second. One request at a time for each connection, no pipelining.
 */
const enginesMax = 1_024;

/** States that an engine goes through, and the milliseconds that each lasts. */
const statesCount = 16;
const stateMs = 500;

const states = Array.from({ length: statesCount }, (_, index) =>
  answerOf("200 OK", "text/plain; version=0.0.4", pageOf(index)),
);
const others = new Map(
  Object.entries(otherBodies).map(([path, body]) => [
    path,
    answerOf("200 OK", "application/json", body),
  ]),
);
const unknown = answerOf("404 Not Found", "application/json", "{}");

/** A vLLM page, without what pickers do not read. */
function pageOf(index: number): string {
  return `# HELP vllm:num_requests_waiting Number of requests waiting.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="${model}"} ${index % 3}
# HELP vllm:num_requests_running Number of requests running.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="${model}"} ${index}
# HELP vllm:kv_cache_usage_perc KV cache usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="${model}"} ${(0.1 + index / 32).toFixed(4)}
# HELP vllm:lora_requests_info Running stats on lora requests.
# TYPE vllm:lora_requests_info gauge
vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql-lora",waiting_lora_adapters=""} 1.7e9
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",num_gpu_blocks="20000"} 1
`;
}

function answerOf(status: string, type: string, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const metricsLine = "GET /metrics ";
const headEnd = "\r\n\r\n";

function serve(socket: Socket, engine: number): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  let head = "";
  socket.on("data", (piece: Buffer) => {
    head += piece.toString("latin1");
    if (!head.endsWith(headEnd)) return;
    socket.write(head.startsWith(metricsLine) ? stateOf(engine) : otherOf(head));
    head = "";
  });
}

function stateOf(engine: number): Buffer {
  const step = Math.floor(performance.now() / stateMs);
  return states[(step + engine * 7) % statesCount] ?? unknown;
}

function otherOf(head: string): Buffer {
  return others.get(/^GET ([^\s?]*)/.exec(head)?.[1] ?? "") ?? unknown;
}

async function listen(engine: number): Promise<number> {
  const server = createServer((socket) => serve(socket, engine)).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server that listens has an address and a port.
  return (server.address() as AddressInfo).port;
}

const count = Math.min(enginesMax, Math.max(1, Number(process.argv[2] ?? "1")));
const ports = await Promise.all(Array.from({ length: count }, (_, engine) => listen(engine)));
process.stdout.write(`${JSON.stringify({ ports })}\n`);
process.on("SIGTERM", () => process.exit(0));
