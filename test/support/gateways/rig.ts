import path from "node:path";
import { crdFiles } from "../../components/crds.ts";
import { findKustomize } from "../../components/kustomize.ts";
import { start } from "../child.ts";
import { jsonLines } from "../json-lines.ts";
import { applyOverlay, overlayNamespace as namespace } from "../kube/overlay-picker.ts";
import { ClusterPicker } from "../kube/picker.ts";
import { overlaysFolder } from "../manifests.ts";
import { renderOverlay } from "../render.ts";
import { type ServiceEngines, startServiceEngines } from "./engines.ts";
import { node, nodeName } from "./node.ts";
import type { GatewayKind, Part, Place, ServedRequest, Started } from "./gateway-kind.ts";
import { say } from "../say.ts";

/** Of the picker's Service. */
const host = `pointsman-epp.${namespace}.svc`;

/** A gateway with the Gateway of its overlay, whose proxy asks the overlay's picker. */
export interface GatewayRig extends Part {
  readonly url: string;
  /** Of the proxy's admin page, for what runs in its network. */
  readonly adminUrl: string;
  readonly picker: ClusterPicker;
  readonly engines: ServiceEngines;
  /** Runs Node.js with these arguments in the network of the proxy, to its end. */
  runInside(
    argv: readonly string[],
  ): Promise<{ readonly code: number | string; readonly output: string }>;
  /** By request id, where the picker sent each request. */
  picks(): ReadonlyMap<string, string>;
  /** What the proxy logged. */
  served(): readonly ServedRequest[];
}

export interface RigOptions extends Place {
  readonly kind: GatewayKind;
  /** Of the engines, on the network's loopback interface. */
  readonly addresses: readonly string[];
}

export async function startGatewayRig(options: RigOptions): Promise<GatewayRig> {
  const parts: Part[] = [];
  const close = async () => {
    for (const part of parts.toReversed()) await part.close();
  };
  const started = <T extends Part>(part: T): T => {
    parts.push(part);
    return part;
  };
  try {
    return { ...(await startParts(options, started)), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function startParts(
  { plane, network, addresses, kind }: RigOptions,
  started: Started,
): Promise<Omit<GatewayRig, "close">> {
  const kustomize = await findKustomize(say);
  const { client } = plane;
  const { gatewayApi } = await crdFiles(say);
  await client.applyCrds([...gatewayApi, ...(await kind.crdFiles())]);
  await client.apply(node);
  await kind.startControllers({ plane, network }, started);
  const engines = started(
    await startServiceEngines({
      ...{ client, network, namespace, addresses, name: "model-servers" },
      labels: { app: "model-server" },
    }),
  );
  for (const object of kind.objects) await client.apply(object);
  const objects = renderOverlay(kustomize, path.join(overlaysFolder, kind.overlay));
  const { flags, ...picked } = await applyOverlay(plane, objects, {
    nodeName,
    ip: network.address,
  });
  const picker = started(
    await ClusterPicker.start({
      ...picked,
      flags: [...flags, "--secure-serving=true", "--grpc-port=9002"],
      namespace: network,
    }),
  );
  const proxy = started(
    await kind.startProxy({
      ...{ client, network },
      gateway: { name: "inference-gateway", namespace },
      hosts: { [host]: network.address, [`${host}.cluster.local`]: network.address },
    }),
  );
  return {
    url: `http://${network.address}:${kind.listenerPort}`,
    adminUrl: `http://127.0.0.1:${kind.adminPort}`,
    async runInside(argv) {
      const [program = "", ...rest] = network.command([process.execPath, ...argv]);
      const child = start(program, rest);
      return { code: await child.ended, output: child.output() };
    },
    ...{ picker, engines },
    picks: () => picksOf(picker),
    served: () => proxy.served(),
  };
}

function picksOf({ child }: ClusterPicker): ReadonlyMap<string, string> {
  const lines = jsonLines(child.output()).filter(({ msg }) => msg === "request");
  return new Map(lines.map(({ requestId, endpoint }) => [String(requestId), String(endpoint)]));
}
