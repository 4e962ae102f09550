import { describe, it } from "vitest";
import { envoyAiGateway } from "#test/support/gateways/envoy-gateway/kind.ts";
import { gatewayOfFile, itRoutesAsThePickerChose } from "#test/support/gateways/gateway-tests.ts";
import { becomes } from "#test/support/kube/cluster-fixture.ts";

const gatewayApi = "gateway.networking.k8s.io/v1";

describe("Envoy AI Gateway with the overlay gateway-envoy-ai-gateway", () => {
  const gateway = gatewayOfFile(envoyAiGateway);

  it.each([
    {
      ...{ apiVersion: gatewayApi, kind: "Gateway", name: "inference-gateway" },
      also: ["Programmed True", "ResolvedRefs True"],
    },
    {
      ...{ apiVersion: gatewayApi, kind: "HTTPRoute", name: "model-servers" },
      also: ["ResolvedRefs True"],
    },
    {
      ...{ apiVersion: "inference.networking.k8s.io/v1", kind: "InferencePool" },
      ...{ name: "model-servers", also: ["ResolvedRefs True"] },
    },
    {
      ...{ apiVersion: "gateway.envoyproxy.io/v1alpha1", kind: "BackendTrafficPolicy" },
      ...{ name: "model-servers", also: [] },
    },
  ])("accepts the $kind", async ({ apiVersion, kind, name, also }) => {
    const conditions = () => gateway.conditions(apiVersion, kind, name);
    await becomes(conditions, ["Accepted True", ...also]);
  });

  itRoutesAsThePickerChose(gateway);
});
