import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folderAbove } from "./folder-above.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "folder-above-"));
  for (const folder of ["protos", "dist", "src/a/b", "src/a/protos"]) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
});
afterAll(() => rmSync(root, { recursive: true }));

describe("folderAbove", () => {
  it.each([
    { start: "dist", found: "protos" },
    { start: ".", found: "protos" },
    { start: "src", found: "protos" },
    { start: "src/a/b", found: "src/a/protos" },
  ])("finds $found from $start", ({ start, found }) => {
    expect(folderAbove(path.join(root, start), "protos")).toBe(path.join(root, found));
  });

  it("throws if there is none", () => {
    expect(() => folderAbove(root, "pointsman-no-such-folder")).toThrow("no folder");
  });
});
