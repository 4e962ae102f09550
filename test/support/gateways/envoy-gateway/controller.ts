import { stringify } from "yaml";
import { findEnvoyGateway } from "../../../components/envoy-gateway.ts";
import { start } from "../../child.ts";
import type { KubeObject } from "../../kube/client.ts";
import { aNamespace } from "../../kube/objects.ts";
import type { ExtensionServer } from "./ai-gateway.ts";
import { secretFiles } from "../deployed-pod.ts";
import type { Part, Place } from "../gateway-kind.ts";
import { layPodFiles } from "../pod-files.ts";
import { answers, startInPod } from "../pod-process.ts";
import { say } from "../../say.ts";

/** Where Envoy Gateway lives, and its proxies. */
export const systemNamespace = "envoy-gateway-system";

const controllerName = "gateway.envoyproxy.io/gatewayclass-controller";

const healthPort = 8081;

interface EnvoyGatewayOptions extends Place {
  readonly extension?: Omit<ExtensionServer, "close"> | undefined;
}

/**
 * Starts the controller as its chart would, with Backends allowed. Its certificates are those that
 * its own `certgen` makes. No webhook injects the zones of nodes, for there are none.
 */
export async function startEnvoyGateway({
  plane,
  network,
  extension,
}: EnvoyGatewayOptions): Promise<Part> {
  const program = await findEnvoyGateway(say);
  await plane.client.apply(aNamespace(systemNamespace));
  const env = { KUBECONFIG: await plane.kubeconfigFor(plane.adminToken) };
  const line = network.command([program, "certgen", "--disable-topology-injector"]);
  const certgen = start(line[0] ?? "", line.slice(1), env);
  if ((await certgen.ended) !== 0) throw new Error(`certgen failed:\n${certgen.output()}`);

  const certificates = await secretFiles(plane.client, {
    name: "envoy-gateway",
    namespace: systemNamespace,
  });
  const pod = layPodFiles({
    network,
    hosts: extension?.hosts ?? {},
    files: {
      ...Object.fromEntries(
        Object.entries(certificates).map(([file, content]) => [`/certs/${file}`, content]),
      ),
      "/config/envoy-gateway.yaml": stringify({
        ...configuration,
        ...(extension === undefined ? {} : { extensionManager: extension.extensionManager }),
      }),
    },
  });
  return startInPod({
    what: "controller of Envoy Gateway",
    files: pod,
    line: [program, "server", "--config-path", "/config/envoy-gateway.yaml"],
    env,
    isReady: () => answers(`http://${network.address}:${healthPort}/readyz`),
  });
}

const configuration = {
  apiVersion: "gateway.envoyproxy.io/v1alpha1",
  kind: "EnvoyGateway",
  gateway: { controllerName },
  provider: {
    type: "Kubernetes",
    kubernetes: {
      leaderElection: { disable: true },
      proxyTopologyInjector: { disabled: true },
    },
  },
  extensionApis: { enableBackend: true },
  // By default both take the ports of the proxy, which runs in the same network here.
  admin: { address: { host: "127.0.0.1", port: 19_100 } },
  telemetry: { metrics: { prometheus: { disable: true } } },
};

/** The class that docs/install.md asks for. */
export const envoyGatewayClass: KubeObject = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "GatewayClass",
  metadata: { name: "envoy-gateway" },
  spec: { controllerName },
};
