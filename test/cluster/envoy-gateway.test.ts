import { describe, it } from "vitest";
import { envoyGateway } from "#test/support/gateways/envoy-gateway/kind.ts";
import { gatewayOfFile, itRoutesAsThePickerChose } from "#test/support/gateways/gateway-tests.ts";
import { becomes } from "#test/support/kube/cluster-fixture.ts";

const gatewayApi = "gateway.networking.k8s.io/v1";
const ownKinds = "gateway.envoyproxy.io/v1alpha1";

describe("Envoy Gateway with the overlay gateway-envoy-gateway", () => {
  const gateway = gatewayOfFile(envoyGateway);

  it.each([
    { apiVersion: gatewayApi, kind: "GatewayClass", name: "envoy-gateway", also: [] },
    {
      ...{ apiVersion: gatewayApi, kind: "Gateway", name: "inference-gateway" },
      also: ["Programmed True", "ResolvedRefs True"],
    },
    {
      ...{ apiVersion: gatewayApi, kind: "HTTPRoute", name: "model-servers" },
      also: ["ResolvedRefs True"],
    },
    { apiVersion: ownKinds, kind: "Backend", name: "pointsman", also: [] },
    { apiVersion: ownKinds, kind: "EnvoyExtensionPolicy", name: "pointsman", also: [] },
    { apiVersion: ownKinds, kind: "BackendTrafficPolicy", name: "model-servers", also: [] },
  ])("accepts the $kind", async ({ apiVersion, kind, name, also }) => {
    const conditions = () => gateway.conditions(apiVersion, kind, name);
    await becomes(conditions, ["Accepted True", ...also]);
  });

  itRoutesAsThePickerChose(gateway);
});
