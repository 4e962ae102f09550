import { jsonLines } from "../../json-lines.ts";
import type { KubeObject } from "../../kube/client.ts";
import { eventually } from "../../wait.ts";
import { deployedPod } from "../deployed-pod.ts";
import type { Proxy, ProxyOptions } from "../gateway-kind.ts";
import { answers, startInPod } from "../pod-process.ts";
import { systemNamespace } from "./controller.ts";
import { say } from "../../say.ts";
import { envoyPath } from "../../../components/envoy.ts";

/** Milliseconds until the controller has made what a Gateway needs. */
const madeTimeoutMs = 60_000;

/** What Envoy Gateway has its proxies log by default, as far as tests look at it. */
interface AccessLogEntry {
  readonly "x-request-id": string;
  readonly "user-agent": string;
  readonly upstream_host: string | null;
}

/**
 * Starts the Envoy that the controller's Deployment for a Gateway describes, with its arguments and
 * mounts, and gives Deployment and Service the states that a cluster would.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { client, network } = options;
  const binary = await envoyPath(say);
  const deployment = await ownedBy(options, { apiVersion: "apps/v1", kind: "Deployment" });
  const controllerHost = `envoy-gateway.${systemNamespace}.svc.cluster.local`;
  const pod = await deployedPod({
    ...{ client, network, deployment },
    hosts: { [controllerHost]: network.address, ...options.hosts },
  });
  await becomeAvailable(options, deployment);
  const running = await startInPod({
    what: "proxy",
    files: pod.files,
    // Without the first its memory would be shared with every other Envoy of the machine; without the
    // second the access log is written every 10 s.
    line: [
      ...[binary, ...pod.args, "--disable-hot-restart"],
      ...["--file-flush-interval-msec", "50"],
    ],
    env: pod.env,
    isReady: () => answers(`http://${network.address}:19003/ready`),
  });
  return {
    ...running,
    served: () =>
      jsonLines<AccessLogEntry>(pod.files.stdout()).map((entry) => ({
        requestId: entry["x-request-id"],
        userAgent: entry["user-agent"],
        upstream: String(entry.upstream_host),
      })),
  };
}

/** The one object of this kind that the controller has made for the Gateway. */
function ownedBy({ client, gateway }: ProxyOptions, ref: { apiVersion: string; kind: string }) {
  const selector = [
    `gateway.envoyproxy.io/owning-gateway-name=${gateway.name}`,
    `gateway.envoyproxy.io/owning-gateway-namespace=${gateway.namespace}`,
  ].join(",");
  return eventually(
    `Envoy Gateway makes a ${ref.kind} for the Gateway`,
    async () => {
      const query = `labelSelector=${encodeURIComponent(selector)}`;
      const { items } = await client.list(
        { ...ref, metadata: { namespace: systemNamespace } },
        query,
      );
      // A list leaves out what all of its items are.
      return items[0] === undefined ? undefined : { ...items[0], ...ref };
    },
    madeTimeoutMs,
  );
}

async function becomeAvailable(options: ProxyOptions, deployment: KubeObject): Promise<void> {
  const { client, network } = options;
  const replicas = { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  await client.patch(deployment, { status: replicas }, "status");
  const service = await ownedBy(options, { apiVersion: "v1", kind: "Service" });
  const loadBalancer = { ingress: [{ ip: network.address }] };
  await client.patch(service, { status: { loadBalancer } }, "status");
}
