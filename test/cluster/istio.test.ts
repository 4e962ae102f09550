import { describe, it } from "vitest";
import { gatewayOfFile, itRoutesAsThePickerChose } from "#test/support/gateways/gateway-tests.ts";
import { istio } from "#test/support/gateways/istio/kind.ts";
import { becomes } from "#test/support/kube/cluster-fixture.ts";
import { overlayNamespace, pickerPodName } from "#test/support/kube/overlay-picker.ts";

const gatewayApi = "gateway.networking.k8s.io/v1";
const inferenceApi = "inference.networking.k8s.io/v1";

const refOf = (apiVersion: string, kind: string, name: string) => ({
  ...{ apiVersion, kind, metadata: { name, namespace: overlayNamespace } },
});

describe("Istio with the overlay gateway-istio", () => {
  const gateway = gatewayOfFile(istio);

  it.each([
    { apiVersion: gatewayApi, kind: "GatewayClass", name: "istio", also: [] },
    {
      ...{ apiVersion: gatewayApi, kind: "Gateway", name: "inference-gateway" },
      also: ["Programmed True", "ResolvedRefs True"],
    },
    {
      ...{ apiVersion: gatewayApi, kind: "HTTPRoute", name: "model-servers" },
      also: ["ResolvedRefs True"],
    },
    {
      ...{ apiVersion: inferenceApi, kind: "InferencePool" },
      ...{ name: "model-servers", also: ["ResolvedRefs True"] },
    },
  ])("accepts the $kind", async ({ apiVersion, kind, name, also }) => {
    const conditions = () => gateway.conditions(apiVersion, kind, name);
    await becomes(conditions, ["Accepted True", ...also]);
  });

  itRoutesAsThePickerChose(gateway);

  it("answers without a picker where the pool says FailOpen, and not where it says FailClose", async () => {
    await gateway.rig().picker.close();
    // As long as the Service has an endpoint that nobody listens at, both are a 500.
    await gateway.client().delete(refOf("v1", "Pod", pickerPodName), 0);
    const pool = refOf(inferenceApi, "InferencePool", "model-servers");
    const status = async () => (await gateway.traffic().chat()).status;
    for (const { failureMode, answer } of [
      { failureMode: "FailOpen", answer: 200 },
      { failureMode: "FailClose", answer: 500 },
    ]) {
      await gateway.client().patch(pool, { spec: { endpointPickerRef: { failureMode } } });
      await becomes(status, answer);
    }
  });
});
