import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, aHead, anEndpoint, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { headerBasedTestingFilter } from "./header-based-testing.ts";

const filter = headerBasedTestingFilter.create({}, pluginDeps());

const pool = [
  anEndpoint({ slot: 0, address: "10.0.0.1", port: 3_000 }),
  anEndpoint({ slot: 1, address: "10.0.0.1", port: 3_002 }),
  anEndpoint({ slot: 2, address: "10.0.0.2", port: 3_002 }),
  anEndpoint({ slot: 3, address: "fd00::1", port: 3_002 }),
];

function slotsKept(selection: string | undefined): readonly number[] {
  const headers = new Map<string, string>();
  if (selection !== undefined) headers.set("test-epp-endpoint-selection", selection);
  return filter
    .filter(aContext({ request: aRequest({ head: aHead({ headers }) }) }), pool)
    .map(({ slot }) => slot);
}

describe("header-based-testing-filter", () => {
  itKeepsTheFilterContract(filter);

  it.each([
    { selection: "10.0.0.1", kept: [0, 1] },
    { selection: "10.0.0.1:3002", kept: [1] },
    { selection: "10.0.0.2, 10.0.0.1:3000", kept: [0, 2] },
    { selection: "10.0.0.2,10.9.9.9", kept: [2] },
    { selection: "10.0.0.1,10.0.0.1:3000,10.0.0.1", kept: [0, 1] },
    { selection: "[fd00::1]:3002", kept: [3] },
    { selection: "[fd00::1]", kept: [3] },
    { selection: "fd00::1", kept: [3] },
    { selection: "[fd00::1]:9999", kept: [] },
    { selection: "10.0.0.99", kept: [] },
    { selection: "10.0.0.1:9999", kept: [] },
    { selection: ",", kept: [] },
  ])("keeps $kept for $selection", ({ selection, kept }) => {
    expect(slotsKept(selection)).toEqual(kept);
  });

  it.each([undefined, "", "  "])("keeps all candidates for the header %j", (selection) => {
    expect(slotsKept(selection)).toEqual([0, 1, 2, 3]);
  });

  it("accepts any parameters, as the peer does", () => {
    expect(headerBasedTestingFilter.load({ anything: 1 }).kind).toBe("loaded");
  });
});
