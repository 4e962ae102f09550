import { describe } from "vitest";
import { envoyAiGateway } from "#test/support/gateways/envoy-gateway/kind.ts";
import {
  acceptedPool,
  gatewayOfFile,
  itAccepts,
  itRoutesAsThePickerChose,
} from "#test/support/gateways/gateway-tests.ts";

describe("Envoy AI Gateway with the overlay gateway-envoy-ai-gateway", () => {
  const gateway = gatewayOfFile(envoyAiGateway);

  itAccepts(gateway, [
    acceptedPool,
    {
      ...{ apiVersion: "gateway.envoyproxy.io/v1alpha1", kind: "BackendTrafficPolicy" },
      ...{ name: "model-servers", also: [] },
    },
  ]);

  itRoutesAsThePickerChose(gateway);
});
