import { describe, expect, it } from "vitest";
import { itKeepsTheDeciderContract } from "#test/contract/decider.ts";
import { aContext, anEndpoint, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { alwaysDisaggPdDecider } from "./always-disagg-pd.ts";

const decider = alwaysDisaggPdDecider.create({}, pluginDeps());

describe("always-disagg-pd-decider", () => {
  itKeepsTheDeciderContract(decider);

  it("says yes to every request", () => {
    expect(decider.decide(aContext(), anEndpoint())).toBe(true);
    expect(decider.decide(aContext({ request: aRequest({ prompts: [] }) }), undefined)).toBe(true);
  });

  it("accepts any parameters, as the peer does", () => {
    expect(alwaysDisaggPdDecider.load({ nonCachedTokens: 4 }).kind).toBe("loaded");
  });
});
