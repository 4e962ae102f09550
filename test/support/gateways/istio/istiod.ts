import { findEnvoy } from "../../../../src/operator/demo/envoy-binary.ts";
import { findHelm } from "../../../components/helm.ts";
import { findIstio } from "../../../components/istio.ts";
import { died, start } from "../../child.ts";
import { aNamespace } from "../../kube/objects.ts";
import { renderModuleChart } from "../../render.ts";
import { eventually } from "../../wait.ts";
import { deployedPod } from "../deployed-pod.ts";
import type { Part, Place } from "../gateway-kind.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);

export const systemNamespace = "istio-system";

/** Milliseconds until it has read the cluster, on a machine that is busy as well. */
const startTimeoutMs = 60_000;

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
  const [program = "", ...argv] = pod.files.command([discovery, ...pod.args]);
  const child = start(program, argv, {
    ...pod.env,
    KUBECONFIG: await plane.kubeconfigFor(await client.tokenOf(account)),
  });
  const istiod = {
    async close() {
      await child.close();
      pod.files.remove();
    },
  };
  try {
    const url = `http://${network.address}:8080/ready`;
    const ready = eventually(
      "istiod is ready",
      async () => ((await fetch(url)).ok ? true : undefined),
      startTimeoutMs,
    );
    await Promise.race([ready, died(child)]);
    return istiod;
  } catch (cause) {
    const words = `${pod.files.stdout()}\n${child.output()}`.slice(-4_000);
    await istiod.close();
    throw new Error(`no istiod came to be:\n${words}`, { cause });
  }
}

/**
 * What docs/install.md says, and what makes the proxies run on an Envoy as it is released, which
 * lacks Istio's own filters for metrics and for the protocol of a mesh.
 */
async function chartValues(): Promise<object> {
  const envoy = await findEnvoy(process.env, say);
  if (envoy.kind === "missing") throw new Error(envoy.hint);
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
      defaultConfig: { binaryPath: envoy.path },
    },
  };
}
