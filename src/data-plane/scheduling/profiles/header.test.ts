import { describe, expect, it } from "vitest";
import { itKeepsTheProfileHandlerContract } from "#test/contract/profile-handler.ts";
import { aContext, aHead, aRequest } from "#test/support/builders.ts";
import { buildHandler } from "#test/support/build-plugin.ts";
import { headerProfileHandler } from "./header.ts";

const handler = buildHandler(headerProfileHandler, {});
const names = ["encode", "prefill", "decode"];

const requestWith = (headers: Record<string, string>) =>
  aContext({ request: aRequest({ head: aHead({ headers: new Map(Object.entries(headers)) }) }) });

describe("header-profile-handler", () => {
  itKeepsTheProfileHandlerContract(handler, names);

  it.each(["encode", "prefill", "decode", " prefill "])(
    "runs %j if the header names it",
    (value) => {
      const context = requestWith({ "epp-profile": value });
      expect(handler.next(context, names, [])).toBe(value.trim());
      expect(handler.next(context, names, [value.trim()])).toBeUndefined();
      expect(handler.primary([value.trim()])).toBe(value.trim());
    },
  );

  it.each([{}, { "epp-profile": "" }, { "epp-profile": "  " }, { other: "prefill" }])(
    "runs decode for the headers %j",
    (headers) => {
      expect(handler.next(requestWith(headers), names, [])).toBe("decode");
    },
  );

  it.each(["nobody", "Decode", "decode,prefill"])("runs nothing for %j", (value) => {
    expect(handler.next(requestWith({ "epp-profile": value }), names, [])).toBeUndefined();
    expect(handler.primary([])).toBeUndefined();
  });

  it("runs the only profile for any header", () => {
    const context = requestWith({ "epp-profile": "nobody" });
    expect(handler.next(context, ["default"], [])).toBe("default");
    expect(handler.mistakeIn(["default"])).toBeUndefined();
  });

  it("reads the configured header in any case, and another default", () => {
    const parameters = { headerName: " X-Stage ", defaultProfile: " prefill " };
    const other = buildHandler(headerProfileHandler, parameters);
    expect(other.next(requestWith({ "x-stage": "encode" }), names, [])).toBe("encode");
    expect(other.next(requestWith({}), names, [])).toBe("prefill");
  });

  it("uses the defaults for empty names", () => {
    const other = buildHandler(headerProfileHandler, { headerName: "", defaultProfile: "" });
    expect(other.next(requestWith({ "epp-profile": "encode" }), names, [])).toBe("encode");
    expect(other.next(requestWith({}), names, [])).toBe("decode");
  });

  it("requires its default among several profiles", () => {
    expect(handler.mistakeIn(["prefill", "encode"])).toBe(
      "header-profile-handler needs the scheduling profile decode for requests without the header; there are: prefill, encode",
    );
    expect(handler.mistakeIn([])).toMatch(/there are: none$/);
  });

  it.each([{ headerName: "EPP Profile" }, { header: "x" }])("refuses %j", (parameters) => {
    expect(headerProfileHandler.load(parameters).kind).toBe("invalid");
  });
});
