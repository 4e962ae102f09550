import { expect, it } from "vitest";
import { isProxysOwn } from "./heads-seen.ts";

it.each([
  // As Envoy 1.40 shows its own answers.
  [503, { "content-length": "98", "content-type": "text/plain" }, true],
  [502, { "content-type": "text/plain" }, true],
  [503, { date: "Mon, 30 Nov 2026 08:46:03 GMT", "content-type": "text/plain" }, false],
  [503, { "x-envoy-upstream-service-time": "5" }, false],
  [503, { "x-envoy-overloaded": "true" }, false],
  [500, {}, false],
  [504, {}, false],
  [200, {}, false],
])("tells Envoy's own answers from those of engines: %d %o", (status, headers, isOwn) => {
  expect(isProxysOwn(status, new Map(Object.entries(headers)))).toBe(isOwn);
});
