import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { ClusterSourceRef } from "../control-plane/cluster.ts";
import type { ElectionOptions } from "../control-plane/election/lease-election.ts";
import { leaseNameOf } from "../control-plane/election/lease-name.ts";
import { UsageError } from "./command.ts";

/** The election that `--ha-enable-leader-election` asks for, for the pool that the flags name. */
export function electionOf(
  source: ClusterSourceRef | undefined,
  env: Readonly<Record<string, string | undefined>>,
): ElectionOptions {
  if (source === undefined) {
    throw new UsageError([
      "--ha-enable-leader-election requires --pool-name, --service or --endpoint-selector",
    ]);
  }
  if (source.kind === "selector" && (env["POD_NAME"] ?? "") === "") {
    // Without it, the replicas for all pools of a namespace would contend for one Lease.
    throw new UsageError([
      "--ha-enable-leader-election with --endpoint-selector requires POD_NAME: the Lease is named after the pod's Deployment",
    ]);
  }
  const { namespace, name } = source;
  return {
    namespace,
    name: leaseNameOf(namespace, name),
    identity: `${hostname()}_${randomUUID()}`,
  };
}
