import { describe, expect, it } from "vitest";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { disaggHeadersHandler } from "./disagg-headers.ts";

describe("disagg-headers-handler", () => {
  it("has no capabilities", () => {
    expect(buildPlugin(disaggHeadersHandler, {})).toEqual({});
  });

  it("has its older name too", () => {
    expect(disaggHeadersHandler.aliases).toEqual(["prefill-header-handler"]);
  });

  it("is not a profile handler, so that a document may have one next to it", () => {
    expect(disaggHeadersHandler.kinds).toEqual(["response-handler"]);
  });

  it("takes the peer's parameters and no others", () => {
    const parameters = { prefillProfile: "p", encodeProfile: "e" };
    expect(disaggHeadersHandler.load(parameters).kind).toBe("loaded");
    expect(disaggHeadersHandler.load({ decodeProfile: "d" }).kind).toBe("invalid");
  });
});
