import { readFile } from "node:fs/promises";
import { findIstio } from "../../../components/istio.ts";
import { jsonLines } from "../../json-lines.ts";
import { aPodOf } from "../../kube/objects.ts";
import { eventually } from "../../wait.ts";
import { deployedPod } from "../deployed-pod.ts";
import type { Proxy, ProxyOptions } from "../gateway-kind.ts";
import { nodeName } from "../node.ts";
import { answers, startInPod } from "../pod-process.ts";
import { systemNamespace } from "./istiod.ts";
import { say } from "../../say.ts";

/** Milliseconds until istiod has made what a Gateway needs. */
const madeTimeoutMs = 60_000;

/** What Istio has its proxies log, as far as tests look at it. */
interface AccessLogEntry {
  readonly request_id: string;
  readonly user_agent: string;
  readonly upstream_host: string | null;
}

/**
 * Starts Istio's agent, which starts Envoy, as istiod's Deployment for a Gateway describes it, and
 * shows its pod and its Service as a cluster would.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { client, network, gateway } = options;
  const { agent, bootstrapTemplate } = await findIstio(say);
  const metadata = { name: `${gateway.name}-istio`, namespace: gateway.namespace };
  const made = (ref: { readonly apiVersion: string; readonly kind: string }) =>
    eventually(
      `istiod makes a ${ref.kind} for the Gateway`,
      () => client.find({ ...ref, metadata }),
      madeTimeoutMs,
    );
  const deployment = await made({ apiVersion: "apps/v1", kind: "Deployment" });
  const pod = await deployedPod({
    ...{ client, network },
    deployment,
    hosts: { [`istiod.${systemNamespace}.svc`]: network.address, ...options.hosts },
    imageFiles: {
      "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": await readFile(bootstrapTemplate, "utf8"),
    },
  });
  await client.apply(aPodOf(deployment, { name: pod.name, nodeName, ip: network.address }));
  const service = await made({ apiVersion: "v1", kind: "Service" });
  const loadBalancer = { ingress: [{ ip: network.address }] };
  await client.patch(service, { status: { loadBalancer } }, "status");

  const running = await startInPod({
    what: "proxy",
    files: pod.files,
    line: [agent, ...pod.args],
    env: pod.env,
    hasChildren: true,
    isReady: () => answers(`http://${network.address}:15021/healthz/ready`),
  });
  return {
    ...running,
    served: () =>
      jsonLines<AccessLogEntry>(pod.files.stdout()).map((entry) => ({
        requestId: entry.request_id,
        userAgent: entry.user_agent,
        upstream: String(entry.upstream_host),
      })),
  };
}
