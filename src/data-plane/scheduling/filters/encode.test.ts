import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { encodeFilter } from "./encode.ts";

const filter = encodeFilter.create({}, pluginDeps());

const isKept = (labels: Record<string, string>) =>
  filter.filter(aContext(), [anEndpoint({ labels })]).length === 1;

describe("encode-filter", () => {
  itKeepsTheFilterContract(filter);

  it.each(["encode", "encode-prefill", "encode-prefill-decode"])("keeps %s", (role) => {
    expect(isKept({ "llm-d.ai/role": role })).toBe(true);
  });

  it.each(["decode", "prefill", "prefill-decode", "both", "encode-decode", ""])(
    "drops %j",
    (role) => {
      expect(isKept({ "llm-d.ai/role": role })).toBe(false);
    },
  );

  it("drops an engine without a role", () => {
    expect(isKept({})).toBe(false);
  });

  it("accepts any parameters, as the peer does", () => {
    expect(encodeFilter.load({ label: "x" }).kind).toBe("loaded");
  });
});
