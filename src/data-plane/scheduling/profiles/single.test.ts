import { describe, expect, it } from "vitest";
import { itKeepsTheProfileHandlerContract } from "#test/contract/profile-handler.ts";
import { aContext } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { singleProfileHandler } from "./single.ts";

const handler = singleProfileHandler.create({}, pluginDeps());

describe("single-profile-handler", () => {
  itKeepsTheProfileHandlerContract(handler, ["default"]);

  it("runs the only profile and uses its choice", () => {
    expect(handler.next(aContext(), ["only"], [])).toBe("only");
    expect(handler.next(aContext(), ["only"], ["only"])).toBeUndefined();
    expect(handler.primary(["only"])).toBe("only");
  });

  it.each([
    { names: [], count: 0 },
    { names: ["prefill", "decode"], count: 2 },
  ])("refuses $count profiles", ({ names, count }) => {
    expect(handler.mistakeIn(names)).toBe(
      `single-profile-handler runs exactly one scheduling profile, but there are ${count}`,
    );
  });

  it("accepts any parameters, as the peer does", () => {
    expect(singleProfileHandler.load({ anything: { at: "all" } }).kind).toBe("loaded");
  });
});
