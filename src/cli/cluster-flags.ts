import type { ClusterSourceRef } from "../control-plane/cluster.ts";
import type { ConfigMapRef } from "../control-plane/config-map/config-map-source.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** Flags for the watched resources of a cluster, and for access to it. */
export const clusterFlags = {
  "pool-name": {
    kind: "string",
    initial: "",
    help: "Name of the InferencePool to serve. If endpoints come from a file, the pool name in metrics.",
  },
  "pool-namespace": {
    kind: "string",
    initial: "",
    shownDefault: "$NAMESPACE, otherwise default",
    help: "Namespace of the InferencePool, Service or selected pods.",
  },
  "pool-group": {
    kind: "string",
    initial: "inference.networking.k8s.io",
    help: "API group of the InferencePool.",
  },
  service: {
    kind: "string",
    initial: "",
    help: "Service whose EndpointSlices form the pool, as NAME or NAME:PORT. PORT is a name or number, required if the Service has several.",
  },
  "endpoint-selector": {
    kind: "string",
    initial: "",
    help: "Label selector of the pods that form the pool, instead of an InferencePool.",
  },
  "endpoint-target-ports": {
    kind: "list",
    initial: [],
    help: "Ports of the selected pods, 1 to 8. Each port is an endpoint.",
  },
  "config-map": {
    kind: "string",
    initial: "",
    help: "ConfigMap with an EndpointPickerConfig, as NAMESPACE/NAME or NAMESPACE/NAME/KEY. Changes apply without a restart.",
  },
  kubeconfig: {
    kind: "string",
    initial: "",
    shownDefault: "$KUBECONFIG, then the pod's ServiceAccount, then ~/.kube/config",
    help: "Kubeconfig file for access to the API server.",
  },
} as const satisfies FlagTable;

type ClusterFlags = FlagValues<typeof clusterFlags>;

const targetPortsMax = 8;

/** Source of the pool in the cluster; undefined if no flag names one. */
export function clusterSourceOf(
  values: ClusterFlags,
  env: Readonly<Record<string, string | undefined>>,
): ClusterSourceRef | undefined {
  const named = (["pool-name", "endpoint-selector", "service"] as const).filter(
    (flag) => values[flag] !== "",
  );
  if (named.length > 1) {
    throw new UsageError([`use only one of ${named.map((flag) => `--${flag}`).join(", ")}`]);
  }
  const namespace = namespaceOf(values, env);
  const {
    "pool-name": pool,
    "pool-group": group,
    service,
    "endpoint-selector": labelSelector,
  } = values;
  if (pool !== "") return { kind: "pool", group, namespace, name: pool };
  if (service !== "") return { kind: "service", namespace, ...serviceIn(service) };
  if (labelSelector === "") return undefined;
  const targetPorts = portsOf(values["endpoint-target-ports"]);
  return { kind: "selector", namespace, name: deploymentOf(env), labelSelector, targetPorts };
}

function serviceIn(text: string): { readonly name: string; readonly port: string | undefined } {
  const { name, port } = /^(?<name>[^:]+)(:(?<port>[^:]+))?$/.exec(text)?.groups ?? {};
  if (name === undefined) {
    throw new UsageError([
      `invalid argument ${JSON.stringify(text)} for --service: want NAME or NAME:PORT`,
    ]);
  }
  return { name, port };
}

/** The Deployment that this pod is of, as the peer names a pool without an InferencePool. */
function deploymentOf(env: Readonly<Record<string, string | undefined>>): string {
  return /^(.+)-[a-z0-9]+-[a-z0-9]+$/.exec(env["POD_NAME"] ?? "")?.[1] ?? "epp";
}

/** The ConfigMap that a flag names; undefined for an empty one. */
export function configMapOf(text: string): ConfigMapRef | undefined {
  if (text === "") return undefined;
  const [namespace, name, key, ...more] = text.split("/");
  const isWhole = [namespace, name, key ?? "key"].every(
    (part) => part !== undefined && part !== "",
  );
  if (!isWhole || namespace === undefined || name === undefined || more.length > 0) {
    throw new UsageError([
      `invalid argument ${JSON.stringify(text)} for --config-map: want NAMESPACE/NAME or NAMESPACE/NAME/KEY`,
    ]);
  }
  return { namespace, name, key };
}

/** The flag, else the environment that charts set from the pod's own namespace, else `default`. */
export function namespaceOf(
  { "pool-namespace": namespace }: Pick<ClusterFlags, "pool-namespace">,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (namespace !== "") return namespace;
  const own = env["NAMESPACE"] ?? "";
  return own === "" ? "default" : own;
}

function portsOf(texts: readonly string[]): number[] {
  const ports = [...new Set(texts.map(Number))];
  const wrong = texts.filter(
    (text) => !/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 65_535,
  );
  if (wrong.length > 0) {
    throw new UsageError([`--endpoint-target-ports: invalid port ${wrong.join(", ")}`]);
  }
  if (ports.length === 0 || ports.length > targetPortsMax) {
    throw new UsageError([
      `--endpoint-selector requires 1 to ${targetPortsMax} ports in --endpoint-target-ports, got ${ports.length}`,
    ]);
  }
  return ports;
}
