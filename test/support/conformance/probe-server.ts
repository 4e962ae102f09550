// Asks pods whether they are ready, from where the node is: /http?address&port&path and
// /grpc?address&port&service. Answers with 200 where they are.
import { createServer } from "node:http";
import { checkHealth } from "../health-client.ts";

/** Milliseconds, the default of a probe in Kubernetes. */
const timeoutMs = 1_000;

const server = createServer((request, response) => {
  void isReady(new URL(request.url ?? "/", "http://probes")).then((ready) =>
    response.writeHead(ready ? 200 : 503).end(),
  );
});

async function isReady({ pathname, searchParams }: URL): Promise<boolean> {
  const value = (name: string) => searchParams.get(name) ?? "";
  const [address, port] = [value("address"), Number(value("port"))];
  if (pathname === "/grpc")
    return (await checkHealth(port, value("service"), address)) === "SERVING";
  return fetch(`http://${address}:${port}${value("path")}`, {
    signal: AbortSignal.timeout(timeoutMs),
  }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
}

server.listen(0, process.argv[2], () => {
  process.stdout.write(`listening ${JSON.stringify(server.address())}\n`);
});
