import { crdFiles } from "../../../components/crds.ts";
import { findIstio } from "../../../components/istio.ts";
import { startControllerManager } from "../../kube/controller-manager.ts";
import type { GatewayKind } from "../gateway-kind.ts";
import { startIstiod } from "./istiod.ts";
import { startProxy } from "./proxy.ts";
import { say } from "../../say.ts";

export const istio: GatewayKind = {
  overlay: "gateway-istio",
  listenerPort: 80,
  adminPort: 15_000,
  // Its class is one that istiod makes by itself.
  objects: [],
  async crdFiles() {
    const { inferencePool } = await crdFiles(say);
    const { crdFiles: own } = await findIstio(say);
    return [...inferencePool, ...own];
  },
  async startControllers({ plane, network }, started) {
    // A pool becomes a Service of Istio's making, whose endpoints it finds in slices.
    started(await startControllerManager(plane, network, ["endpointslice-controller"]));
    started(await startIstiod({ plane, network }));
  },
  startProxy,
};
