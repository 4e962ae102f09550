import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(path.join(tmpdir(), "pointsman-unit-"));
afterAll(() => rmSync(folder, { recursive: true }));

function analyzed(...argv: readonly string[]) {
  const result = spawnSync("systemd-analyze", argv, { encoding: "utf8" });
  if (result.error === undefined) return result;
  throw new Error("systemd-analyze is missing: install the Debian package systemd", {
    cause: result.error,
  });
}

it("the unit is one that systemd takes, and well confined", () => {
  const copy = path.join(folder, "pointsman.service");
  const unit = readFileSync("deploy/systemd/pointsman.service", "utf8");
  // Its program is not installed here.
  writeFileSync(copy, unit.replace(/^ExecStart=\S+/mu, "ExecStart=/bin/true"));
  expect(analyzed("verify", copy).stderr).toBe("");
  const rated = analyzed("security", "--offline=true", "--threshold=20", copy);
  expect(rated).toMatchObject({ status: 0 });
});
