import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { type EnvoyAiGateway, findEnvoyAiGateway } from "../../../components/envoy-ai-gateway.ts";
import { findHelm } from "../../../components/helm.ts";
import { checkHealth } from "../../health-client.ts";
import { createNetworkNamespace, linkNamespaces } from "../../kube/network-namespace.ts";
import { aNamespace } from "../../kube/objects.ts";
import { renderModuleChart } from "../../render.ts";
import { deployedPod } from "../deployed-pod.ts";
import type { Part, Place } from "../gateway-kind.ts";
import type { Hosts } from "../pod-files.ts";
import { startInPod } from "../pod-process.ts";
import { say } from "../../say.ts";

const namespace = "envoy-ai-gateway-system";

/** Where Envoy Gateway asks it. */
const extensionPort = 1063;

const valuesSchema = z.object({
  config: z.object({
    envoyGateway: z.object({ extensionManager: z.record(z.string(), z.unknown()) }),
  }),
});

/** An extension server of Envoy Gateway that runs. */
export interface ExtensionServer extends Part {
  /** What Envoy Gateway has to be told of it. */
  readonly extensionManager: Readonly<Record<string, unknown>>;
  readonly hosts: Hosts;
}

/**
 * Starts the controller of Envoy AI Gateway as its chart does, with all that the chart has besides. It
 * runs beside the cluster's, in a network of its own: it listens on ports that Envoy Gateway wants as well.
 */
export async function startAiGateway({ plane, network: cluster }: Place): Promise<ExtensionServer> {
  const found = await findEnvoyAiGateway(say);
  const { client } = plane;
  await client.applyCrds(found.crdFiles);
  await client.apply(aNamespace(namespace));
  const objects = renderModuleChart(await findHelm(say), { chart: found.chart, namespace });
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  if (deployment === undefined) throw new Error("the chart has no Deployment");
  for (const object of objects.filter((each) => each !== deployment)) await client.apply(object);

  const network = createNetworkNamespace();
  linkNamespaces(cluster, network);
  const pod = await deployedPod({ client, network, deployment, hosts: {} });
  const controller = await startInPod({
    what: "extension server",
    files: pod.files,
    line: [found.controller, ...pod.args, "--enableLeaderElection=false"],
    env: { ...pod.env, KUBECONFIG: await plane.kubeconfigFor(plane.adminToken) },
    isReady: async () => (await checkHealth(extensionPort, "", network.address)) === "SERVING",
  }).catch((cause: unknown) => {
    network.close();
    throw cause;
  });
  return {
    extensionManager: await extensionManagerOf(found),
    hosts: { [`ai-gateway-controller.${namespace}.svc.cluster.local`]: network.address },
    async close() {
      await controller.close();
      network.close();
    },
  };
}

/** What its values for Envoy Gateway's chart say of extensions, one file on top of the other. */
async function extensionManagerOf({ envoyGatewayValues }: EnvoyAiGateway) {
  const merged: Record<string, unknown> = {};
  for (const file of envoyGatewayValues) {
    const { config } = valuesSchema.parse(parse(await readFile(file, "utf8")));
    Object.assign(merged, config.envoyGateway.extensionManager);
  }
  return merged;
}
