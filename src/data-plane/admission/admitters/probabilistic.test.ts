import { describe, expect, it } from "vitest";
import { itKeepsTheAdmitterContract } from "#test/contract/admitter.ts";
import { aContext, aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { probabilisticAdmitter } from "./probabilistic.ts";

const params = { queueDepthThreshold: 5, kvCacheUtilThreshold: 0.8, power: 5, k: 300 };
const admitterFor = (chance: number) =>
  probabilisticAdmitter.create(params, pluginDeps({ random: () => chance }));

const sheddable = aRequest({ priority: -1 });

describe("probabilistic-admitter", () => {
  itKeepsTheAdmitterContract(admitterFor(0));

  it("sheds with the probability that the saturation gives", () => {
    // saturation = mean(max(1 / 5, 0.16 / 0.8), max(1 / 5, 0)) = 0.2; p = 300 x 0.2^5 = 0.096
    const load = aLoad([
      { waitingRequests: 1, kvCacheUsedRatio: 0.16 },
      { waitingRequests: 1, kvCacheUsedRatio: 0 },
    ]);
    const context = aContext({ request: sheddable, load });
    expect(admitterFor(0.0959).admit(context, endpoints(2))?.code).toBe("saturated");
    expect(admitterFor(0.0961).admit(context, endpoints(2))).toBeUndefined();
  });

  it("sheds everything that may be shed once the probability reaches 1", () => {
    // saturation = 1 >= (1 / 300)^(1/5) = 0.32
    const context = aContext({ request: sheddable, load: aLoad([{ waitingRequests: 5 }]) });
    expect(admitterFor(0.999).admit(context, endpoints(1))?.code).toBe("saturated");
  });

  it("sheds nothing because of unknown signals", () => {
    const context = aContext({ request: sheddable, load: aLoad([{}]) });
    expect(admitterFor(0).admit(context, endpoints(1))).toBeUndefined();
  });
});
