import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nodeTooOld, oldestNode } from "./node-version.ts";

describe("nodeTooOld", () => {
  it.each(["22.19.0", "22.19.1", "22.20.0", "23.0.0", "26.10.0", "100.0.0"])(
    "accepts %s",
    (version) => {
      expect(nodeTooOld(version)).toBeUndefined();
    },
  );

  it.each(["22.18.9", "22.9.0", "20.20.2", "18.0.0", "8.99.99"])("refuses %s", (version) => {
    expect(nodeTooOld(version)).toBe(`Node.js 22.19.0 or later is needed, and this is ${version}`);
  });

  it("is in step with package.json", () => {
    const text = readFileSync("package.json", "utf8");
    expect(text).toContain(`"node": ">=${oldestNode}"`);
  });
});
