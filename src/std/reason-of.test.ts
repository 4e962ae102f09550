import { expect, it } from "vitest";
import { reasonOf } from "./reason-of.ts";

it.each([
  { cause: new Error("no route"), reason: "no route" },
  {
    cause: new TypeError("fetch failed", { cause: new Error("no route") }),
    reason: "fetch failed",
  },
  { cause: new Error(), reason: "" },
  { cause: "no route", reason: "no route" },
  { cause: undefined, reason: "undefined" },
  { cause: { message: "no route" }, reason: "[object Object]" },
])("tells the reason $reason", ({ cause, reason }) => {
  expect(reasonOf(cause)).toBe(reason);
});
