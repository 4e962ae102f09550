import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { decodeFilter } from "./decode.ts";

const filter = decodeFilter.create({}, pluginDeps());

const isKept = (labels: Record<string, string>) =>
  filter.filter(aContext(), [anEndpoint({ labels })]).length === 1;

describe("decode-filter", () => {
  itKeepsTheFilterContract(filter);

  it.each(["decode", "prefill-decode", "both", "encode-prefill-decode"])("keeps %s", (role) => {
    expect(isKept({ "llm-d.ai/role": role })).toBe(true);
  });

  it.each(["prefill", "encode", "encode-prefill", "encode-decode", "Decode", ""])(
    "drops %j",
    (role) => {
      expect(isKept({ "llm-d.ai/role": role })).toBe(false);
    },
  );

  it("keeps an engine without a role", () => {
    expect(isKept({})).toBe(true);
    expect(isKept({ role: "prefill" })).toBe(true);
  });

  it("accepts any parameters, as the peer does", () => {
    expect(decodeFilter.load({ label: "x" }).kind).toBe("loaded");
  });
});
