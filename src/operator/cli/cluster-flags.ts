import type { ClusterSourceRef } from "../../cluster.ts";
import { UsageError } from "./command.ts";

/** The flags that say which endpoints of a cluster are the pool. */
export interface SourceFlags {
  readonly "pool-name": string;
  readonly "pool-namespace": string;
  readonly "pool-group": string;
  readonly "endpoint-selector": string;
  readonly "endpoint-target-ports": readonly string[];
  readonly service: string;
  readonly "service-port": string;
}

const targetPortsMax = 8;

/** Where the pool is found in the cluster; undefined where no flag names anything. */
export function clusterSourceOf(
  values: SourceFlags,
  env: Readonly<Record<string, string | undefined>>,
): ClusterSourceRef | undefined {
  const named = (["pool-name", "endpoint-selector", "service"] as const).filter(
    (flag) => values[flag] !== "",
  );
  if (named.length > 1) {
    throw new UsageError([
      `only one of ${named.map((flag) => `--${flag}`).join(", ")} can say what the pool is`,
    ]);
  }
  const namespace = namespaceOf(values, env);
  const {
    "pool-name": pool,
    "pool-group": group,
    service,
    "service-port": port,
    "endpoint-selector": labelSelector,
  } = values;
  if (pool !== "") return { kind: "pool", group, namespace, name: pool };
  if (service !== "") return { kind: "service", namespace, name: service, port: port || undefined };
  if (labelSelector === "") return undefined;
  const targetPorts = portsOf(values["endpoint-target-ports"]);
  return { kind: "selector", namespace, labelSelector, targetPorts };
}

/** The flag, else the environment that charts set from the pod's own namespace, else `default`. */
function namespaceOf(
  { "pool-namespace": namespace }: Pick<SourceFlags, "pool-namespace">,
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
    throw new UsageError([`--endpoint-target-ports: no port: ${wrong.join(", ")}`]);
  }
  if (ports.length === 0 || ports.length > targetPortsMax) {
    throw new UsageError([
      `--endpoint-selector wants 1 to ${targetPortsMax} ports in --endpoint-target-ports, not ${ports.length}`,
    ]);
  }
  return ports;
}
