import { type Child, start } from "../child.ts";
import type { KubeClient } from "../kube/client.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import { anEndpointSlice, aPod, aService } from "../kube/objects.ts";
import { nodeName } from "./node.ts";

const port = 8_000;
const adminPort = 8_100;

/** Simulated engines as pods behind a Service, whose EndpointSlice the test writes. */
export interface ServiceEngines {
  /** `address:port` of each, as a picker and a proxy call it. */
  readonly hostPorts: readonly string[];
  /** Shows the engines of these indexes as ready, and the others as not. */
  setReady(indexes: readonly number[]): Promise<void>;
  /** From now on every step of every engine takes this many times as long. */
  slowDown(factor: number): Promise<void>;
  close(): Promise<void>;
}

export interface EnginesOptions {
  readonly client: KubeClient;
  readonly network: NetworkNamespace;
  /** Of the Service. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of each engine, on the network's loopback interface; none that the API server refuses. */
  readonly addresses: readonly string[];
}

export async function startServiceEngines(options: EnginesOptions): Promise<ServiceEngines> {
  const { client, network, name, namespace, labels, addresses } = options;
  const run = (argv: readonly string[]) => {
    const [program = "", ...rest] = network.command([process.execPath, ...argv]);
    return start(program, rest);
  };
  const children: Child[] = [];
  const engines: ServiceEngines = {
    hostPorts: addresses.map((address) => `${address}:${port}`),
    async setReady(indexes) {
      const endpoints = addresses.map((address, index) => ({
        ...{ address, pod: `engine-${index}` },
        ready: indexes.includes(index),
      }));
      const slice = { name: `${name}-1`, namespace, service: name, port, endpoints };
      await client.apply(anEndpointSlice(slice));
      for (const { pod, address: ip, ready } of endpoints) {
        await client.apply(aPod({ name: pod, namespace, labels, ip, ready, nodeName }));
      }
    },
    async slowDown(factor) {
      await Promise.all(
        addresses.map(async (address) => {
          const patch = run(["-e", patchScript, address, String(factor)]);
          if ((await patch.ended) !== 0) throw new Error(patch.output());
        }),
      );
    },
    async close() {
      await Promise.all(children.map((child) => child.close()));
    },
  };
  try {
    for (const address of addresses) {
      const flags = ["--host", address, "--port", String(port), "--admin-port", String(adminPort)];
      children.push(
        run([
          ...["src/main.ts", "sim", "--engines", "1", ...flags],
          ...["--running-requests-max", "1000", "--decode-ms-per-sequence", "0"],
          ...["--prefill-tokens-per-second", "10000000"],
        ]),
      );
    }
    await Promise.all(children.map((child) => child.line(/engine-0/)));
    await client.apply(aService({ name, namespace, port, selector: labels }));
    await engines.setReady(addresses.map((_, index) => index));
    return engines;
  } catch (cause) {
    await engines.close();
    throw cause;
  }
}

/** Changes a setting of an engine from inside its network, which the test does not reach. */
const patchScript = `const [address, factor] = process.argv.slice(1);
const response = await fetch(\`http://\${address}:${adminPort}/engines\`, {
  method: "PATCH",
  body: JSON.stringify({ slowFactor: Number(factor) }),
});
if (!response.ok) throw new Error(await response.text());`;
