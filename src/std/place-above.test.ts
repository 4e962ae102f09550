import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placeAbove } from "./place-above.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "place-above-"));
  for (const folder of ["protos", "dist", "src/a/b", "src/a/protos"]) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
});
afterAll(() => rmSync(root, { recursive: true }));

describe("placeAbove", () => {
  it.each([
    { start: "dist", found: "protos" },
    { start: ".", found: "protos" },
    { start: "src", found: "protos" },
    { start: "src/a/b", found: "src/a/protos" },
  ])("finds $found from $start", ({ start, found }) => {
    expect(placeAbove(path.join(root, start), "protos")).toBe(path.join(root, found));
  });

  it("throws if there is none", () => {
    expect(() => placeAbove(root, "pointsman-no-such-folder")).toThrow(
      "no pointsman-no-such-folder above",
    );
  });
});
