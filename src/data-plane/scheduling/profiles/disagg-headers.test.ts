import { describe, expect, it } from "vitest";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { disaggHeadersHandler } from "./disagg-headers.ts";

describe("disagg-headers-handler", () => {
  it("does nothing of its own", () => {
    expect(buildPlugin(disaggHeadersHandler, {})).toEqual({});
  });

  it("goes by its older name too", () => {
    expect(disaggHeadersHandler.aliases).toEqual(["prefill-header-handler"]);
  });

  it("is no profile handler, so that it does not stand in the way of one", () => {
    expect(disaggHeadersHandler.kinds).toEqual(["response-handler"]);
  });

  it("takes the peer's parameters and no others", () => {
    const parameters = { prefillProfile: "p", encodeProfile: "e" };
    expect(disaggHeadersHandler.load(parameters).kind).toBe("loaded");
    expect(disaggHeadersHandler.load({ decodeProfile: "d" }).kind).toBe("invalid");
  });
});
