import { describe, expect, it } from "vitest";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { roleFilter } from "./roles.ts";

const pool = [{ "llm-d.ai/role": "decode" }, { "llm-d.ai/role": "prefill" }, {}].map(
  (labels, slot) => anEndpoint({ slot, labels }),
);

const slotsKept = (keepsUnlabelled: boolean) =>
  roleFilter({ roles: ["decode", "both"], keepsUnlabelled })
    .filter(aContext(), pool)
    .map(({ slot }) => slot);

describe("roleFilter", () => {
  it("keeps the roles it names", () => {
    expect(slotsKept(false)).toEqual([0]);
  });

  it("keeps engines without a role if configured", () => {
    expect(slotsKept(true)).toEqual([0, 2]);
  });
});
