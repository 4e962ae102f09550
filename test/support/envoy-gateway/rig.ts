import path from "node:path";
import { crdFiles } from "../../components/crds.ts";
import { envoyGatewayCrdFiles } from "../../components/envoy-gateway.ts";
import { findKustomize } from "../../components/kustomize.ts";
import { jsonLines } from "../json-lines.ts";
import type { ControlPlane } from "../kube/control-plane.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import { applyOverlay, overlayNamespace as namespace } from "../kube/overlay-picker.ts";
import { ClusterPicker } from "../kube/picker.ts";
import { overlaysFolder } from "../manifests.ts";
import { renderOverlay } from "../render.ts";
import { startAiGateway } from "./ai-gateway.ts";
import { envoyGatewayClass, startEnvoyGateway } from "./controller.ts";
import { type ServiceEngines, startServiceEngines } from "./engines.ts";
import { startProxy } from "./proxy.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** What Envoy Gateway lets its proxies listen on for port 80 of a Gateway. */
const listenerPort = 10_080;

/** Of the picker's Service. */
const host = `pointsman-epp.${namespace}.svc`;

/** Envoy Gateway with the Gateway of an overlay, whose proxy asks the overlay's picker. */
export interface GatewayRig {
  readonly url: string;
  readonly picker: ClusterPicker;
  readonly engines: ServiceEngines;
  /** By request id, where the picker sent each request. */
  picks(): ReadonlyMap<string, string>;
  /** By request id, which engine the proxy sent it to. */
  upstreams(): ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export interface RigOptions {
  /** One of Envoy Gateway. */
  readonly overlay: "gateway-envoy-gateway" | "gateway-envoy-ai-gateway";
  readonly plane: ControlPlane;
  readonly network: NetworkNamespace;
  /** Of the engines, on the network's loopback interface. */
  readonly addresses: readonly string[];
}

export async function startGatewayRig(options: RigOptions): Promise<GatewayRig> {
  const parts: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of parts.toReversed()) await part.close();
  };
  const started = <T extends { close(): Promise<void> }>(part: T): T => {
    parts.push(part);
    return part;
  };
  try {
    return { ...(await start(options, started)), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function start(
  { plane, network, addresses, overlay }: RigOptions,
  started: <T extends { close(): Promise<void> }>(part: T) => T,
): Promise<Omit<GatewayRig, "close">> {
  const kustomize = await findKustomize(say);
  const { client } = plane;
  const { gatewayApi, inferencePool } = await crdFiles(say);
  const isAiGateway = overlay === "gateway-envoy-ai-gateway";
  const pools = isAiGateway ? inferencePool : [];
  await client.applyCrds([...gatewayApi, ...pools, ...(await envoyGatewayCrdFiles(say))]);

  const extension = isAiGateway ? started(await startAiGateway(plane, network)) : undefined;
  started(await startEnvoyGateway({ plane, network, extension }));
  const engines = started(
    await startServiceEngines({
      ...{ client, network, namespace, addresses, name: "model-servers" },
      labels: { app: "model-server" },
    }),
  );
  const objects = renderOverlay(kustomize, path.join(overlaysFolder, overlay));
  await client.apply(envoyGatewayClass());
  const { flags, ...picked } = await applyOverlay(plane, objects);
  const picker = started(
    await ClusterPicker.start({
      ...picked,
      flags: [...flags, "--secure-serving=true", "--grpc-port=9002"],
      namespace: network,
    }),
  );
  const proxy = started(
    await startProxy({
      ...{ client, network },
      gateway: { name: "inference-gateway", namespace },
      hosts: { [host]: network.address, [`${host}.cluster.local`]: network.address },
    }),
  );
  return {
    url: `http://${network.address}:${listenerPort}`,
    ...{ picker, engines },
    picks: () => picksOf(picker),
    upstreams: () =>
      new Map(
        proxy.accessLog().map((entry) => [entry["x-request-id"], String(entry.upstream_host)]),
      ),
  };
}

function picksOf({ child }: ClusterPicker): ReadonlyMap<string, string> {
  const lines = jsonLines(child.output()).filter(({ msg }) => msg === "request");
  return new Map(lines.map(({ requestId, endpoint }) => [String(requestId), String(endpoint)]));
}
