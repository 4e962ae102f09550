import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ControlPlane } from "./control-plane.ts";
import type { BareNamespace } from "./network-namespace.ts";

/** Lays the credentials where a kubelet mounts them, seen by this one command alone. */
const script = `run=$(readlink -f /var/run) && mount -t tmpfs tmpfs "$run" &&
mkdir -p "$run/secrets/kubernetes.io" && cp -r "$1" "$run/secrets/kubernetes.io/serviceaccount" &&
shift && exec "$@"`;

export interface PodCommand {
  readonly line: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The command line, and the environment, that run another one as a pod with this token would run. */
export function asPod(
  plane: ControlPlane,
  { network, token }: { readonly network: BareNamespace; readonly token: string },
  line: readonly string[],
): PodCommand {
  const folder = mkdtempSync(path.join(path.dirname(plane.caFile), "service-account-"));
  writeFileSync(path.join(folder, "token"), token, { mode: 0o600 });
  writeFileSync(path.join(folder, "ca.crt"), plane.ca);
  const { hostname, port } = new URL(plane.url);
  return {
    line: network.command(["sh", "-c", script, "sh", folder, ...line]),
    env: {
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      // A developer's own would come first.
      KUBECONFIG: "",
    },
  };
}
