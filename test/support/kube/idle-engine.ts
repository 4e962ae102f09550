// An engine with nothing to do, on one port of every address of its network.
import { createServer } from "node:http";

const port = Number(process.argv[2]);

createServer((_, response) => {
  response.end("vllm:num_requests_waiting 0\nvllm:num_requests_running 0\n");
}).listen(port, "0.0.0.0", () => {
  process.stdout.write("listening\n");
});
