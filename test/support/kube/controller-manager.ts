import { findControllerManager } from "../../components/controller-manager.ts";
import { type Child, start } from "../child.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { BareNamespace } from "./network-namespace.ts";
import { say } from "../say.ts";

/** Starts some of Kubernetes' own controllers beside an API server. */
export async function startControllerManager(
  plane: ControlPlane,
  network: BareNamespace,
  controllers: readonly string[],
): Promise<Child> {
  const binary = await findControllerManager(say);
  const [program = "", ...argv] = network.command([
    binary,
    `--kubeconfig=${await plane.kubeconfigFor(plane.adminToken)}`,
    `--controllers=${controllers.join(",")}`,
    // Nobody asks it for its metrics, and there is one.
    ...["--secure-port=0", "--leader-elect=false"],
  ]);
  return start(program, argv);
}
