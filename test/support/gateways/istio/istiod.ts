import { findHelm } from "../../../components/helm.ts";
import { findIstio } from "../../../components/istio.ts";
import { aNamespace } from "../../kube/objects.ts";
import { renderModuleChart } from "../../render.ts";
import { deployedPod } from "../deployed-pod.ts";
import type { Part, Place } from "../gateway-kind.ts";
import { answers, startInPod } from "../pod-process.ts";
import { say } from "../../say.ts";
import { envoyPath } from "../../../components/envoy.ts";

export const systemNamespace = "istio-system";

/** The API server could not reach these, and would refuse what it cannot ask about. */
const webhooks = new Set(["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]);

/** Starts Istio's control plane with what its chart grants and tells it, and pools switched on. */
export async function startIstiod({ plane, network }: Place): Promise<Part> {
  const { discovery, chart } = await findIstio(say);
  const { client } = plane;
  await client.apply(aNamespace(systemNamespace));
  const values = await chartValues();
  const objects = renderModuleChart(await findHelm(say), {
    ...{ chart, values, namespace: systemNamespace },
  });
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  const account = objects.find(({ kind }) => kind === "ServiceAccount");
  if (deployment === undefined || account === undefined) {
    throw new Error("the chart has a Deployment and its account");
  }
  for (const object of objects) {
    if (object !== deployment && !webhooks.has(object.kind)) await client.apply(object);
  }
  const pod = await deployedPod({ client, network, deployment, hosts: {} });
  return startInPod({
    what: "istiod",
    files: pod.files,
    line: [discovery, ...pod.args],
    env: {
      ...pod.env,
      KUBECONFIG: await plane.kubeconfigFor(await client.tokenOf(account)),
    },
    isReady: () => answers(`http://${network.address}:8080/ready`),
  });
}

/**
 * What docs/install.md says, and what makes the proxies run on an Envoy as it is released, which
 * lacks Istio's own filters for metrics and for the protocol of a mesh.
 */
async function chartValues(): Promise<object> {
  const envoy = await envoyPath(say);
  return {
    pilot: {
      env: {
        ENABLE_GATEWAY_API_INFERENCE_EXTENSION: "true",
        PILOT_ENABLE_ALPN_FILTER: "false",
        PILOT_ENABLE_METADATA_EXCHANGE: "false",
      },
    },
    telemetry: { enabled: false },
    meshConfig: {
      ...{ accessLogFile: "/dev/stdout", accessLogEncoding: "JSON" },
      // A test does not wait for anybody when it ends a proxy.
      defaultConfig: { binaryPath: envoy, terminationDrainDuration: "0.1s" },
    },
  };
}
