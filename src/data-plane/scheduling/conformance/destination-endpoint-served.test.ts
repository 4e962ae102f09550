import { describe, expect, it } from "vitest";
import { aContext, aDecision, aResponseHead } from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { destinationEndpointServedVerifier } from "./destination-endpoint-served.ts";

const { hooks } = buildPlugin(destinationEndpointServedVerifier, {});

const headersFor = (servedBy: string | undefined) =>
  hooks
    ?.sent({ context: aContext(), decision: aDecision() })
    ?.responseHeaders?.(aResponseHead({ servedBy }));

describe("destination-endpoint-served-verifier", () => {
  it("sends the client the address of the endpoint that served", () => {
    expect(headersFor("10.0.0.7:3000")).toEqual([
      ["x-conformance-test-served-endpoint", "10.0.0.7:3000"],
    ]);
  });

  it("sends a failure if the gateway did not report it", () => {
    expect(headersFor(undefined)).toEqual([
      ["x-conformance-test-served-endpoint", "fail: missing destination endpoint served metadata"],
    ]);
  });

  it("accepts any parameters, as the peer does", () => {
    expect(destinationEndpointServedVerifier.load({ anything: 1 }).kind).toBe("loaded");
  });
});
