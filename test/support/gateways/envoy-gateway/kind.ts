import { crdFiles } from "../../../components/crds.ts";
import { envoyGatewayCrdFiles } from "../../../components/envoy-gateway.ts";
import type { GatewayKind } from "../gateway-kind.ts";
import { startAiGateway } from "./ai-gateway.ts";
import { envoyGatewayClass, startEnvoyGateway } from "./controller.ts";
import { startProxy } from "./proxy.ts";
import { say } from "../../say.ts";

const common = {
  // What it has its proxies listen on for ports below 1,024.
  listenerPort: 10_080,
  adminPort: 19_000,
  objects: [envoyGatewayClass],
  startProxy,
};

export const envoyGateway: GatewayKind = {
  ...common,
  overlay: "gateway-envoy-gateway",
  crdFiles: () => envoyGatewayCrdFiles(say),
  async startControllers(place, started) {
    started(await startEnvoyGateway(place));
  },
};

export const envoyAiGateway: GatewayKind = {
  ...common,
  overlay: "gateway-envoy-ai-gateway",
  async crdFiles() {
    const { inferencePool } = await crdFiles(say);
    return [...inferencePool, ...(await envoyGatewayCrdFiles(say))];
  },
  async startControllers(place, started) {
    const extension = started(await startAiGateway(place));
    started(await startEnvoyGateway({ ...place, extension }));
  },
};
