import { describe } from "vitest";
import { envoyGateway } from "#test/support/gateways/envoy-gateway/kind.ts";
import {
  gatewayApi,
  gatewayOfFile,
  itAccepts,
  itRoutesAsThePickerChose,
} from "#test/support/gateways/gateway-tests.ts";

const ownKinds = "gateway.envoyproxy.io/v1alpha1";

describe("Envoy Gateway with the overlay gateway-envoy-gateway", () => {
  const gateway = gatewayOfFile(envoyGateway);

  itAccepts(gateway, [
    { apiVersion: gatewayApi, kind: "GatewayClass", name: "envoy-gateway", also: [] },
    { apiVersion: ownKinds, kind: "Backend", name: "pointsman", also: [] },
    { apiVersion: ownKinds, kind: "EnvoyExtensionPolicy", name: "pointsman", also: [] },
    { apiVersion: ownKinds, kind: "BackendTrafficPolicy", name: "model-servers", also: [] },
  ]);

  itRoutesAsThePickerChose(gateway);
});
