import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conformanceVersion } from "#test/components/conformance-suite.ts";
import { ConformanceRig } from "#test/support/conformance/rig.ts";
import type { SuiteRun } from "#test/support/conformance/suite.ts";
import { say } from "#test/support/say.ts";

/** Milliseconds; the rig's components are built if the cache lacks them. */
const buildTimeoutMs = 3_600_000;

const tests = [
  "EppUnAvailableFailOpen",
  "GatewayDestinationEndpointServed",
  "GatewayFollowingEPPRouting",
  "GatewayFollowingEPPRoutingWithDataParallelism",
  "GatewayWeightedAcrossTwoInferencePools",
  "HTTPRouteInvalidInferencePoolRef",
  "HTTPRouteMultipleGatewaysDifferentPools",
  "HTTPRouteMultipleRulesDifferentPools",
  "InferencePoolAccepted",
  "InferencePoolAppProtocol",
  "InferencePoolHTTPRoutePortValidation",
  "InferencePoolInvalidEPPService",
  "InferencePoolMissingEPPRef",
  "InferencePoolResolvedRefsCondition",
];

const flags = [
  // By default it wants three answers in a row, also from a pool that gets every third request.
  ...["-timeout-config-overrides", "RequiredConsecutiveSuccesses:1"],
  // The cluster ends with the test.
  "-cleanup-base-resources=false",
];

/** Characters of what the cluster printed last, for who looks why a test failed. */
const logMax = 200_000;

describe("the official conformance suite, with this picker behind Envoy", () => {
  let rig: ConformanceRig;
  let run: SuiteRun;

  beforeAll(async () => {
    rig = await ConformanceRig.start(say);
    run = await rig.run(flags, say);
    if (run.exit !== 0) say(rig.log().slice(-logMax));
  }, buildTimeoutMs);
  afterAll(() => rig?.close());

  it.each(tests)("passes %s", (name) => {
    const { outcome, words } = run.tests.get(name) ?? {
      outcome: "not run",
      words: run.output.slice(-4_000),
    };
    expect({ outcome, words: outcome === "PASS" ? "" : words }).toEqual({
      outcome: "PASS",
      words: "",
    });
  });

  it("is reported as a success of all tests of the release", () => {
    expect([...run.tests.keys()].toSorted()).toEqual(tests);
    expect(run.report).toMatchObject({
      GatewayAPIInferenceExtensionVersion: conformanceVersion,
      profiles: [
        {
          name: "Gateway",
          core: { result: "success", statistics: { Passed: tests.length, Failed: 0, Skipped: 0 } },
        },
      ],
    });
    expect(run.exit).toBe(0);
  });
});
