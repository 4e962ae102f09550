import { describe, it } from "vitest";
import {
  acceptedPool,
  gatewayApi,
  gatewayOfFile,
  itAccepts,
  itRoutesAsThePickerChose,
} from "#test/support/gateways/gateway-tests.ts";
import { istio } from "#test/support/gateways/istio/kind.ts";
import { becomes } from "#test/support/kube/cluster-fixture.ts";
import { overlayNamespace, pickerPodName } from "#test/support/kube/overlay-picker.ts";

const refOf = (apiVersion: string, kind: string, name: string) => ({
  ...{ apiVersion, kind, metadata: { name, namespace: overlayNamespace } },
});

describe("Istio with the overlay gateway-istio", () => {
  const gateway = gatewayOfFile(istio);

  itAccepts(gateway, [
    { apiVersion: gatewayApi, kind: "GatewayClass", name: "istio", also: [] },
    acceptedPool,
  ]);

  itRoutesAsThePickerChose(gateway);

  it("answers without a picker where the pool says FailOpen, and not where it says FailClose", async () => {
    await gateway.rig().picker.close();
    // As long as the Service has an endpoint that nobody listens at, both are a 500.
    await gateway.client().delete(refOf("v1", "Pod", pickerPodName), 0);
    const pool = refOf(acceptedPool.apiVersion, acceptedPool.kind, acceptedPool.name);
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
