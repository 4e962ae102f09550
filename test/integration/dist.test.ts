import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { start } from "#test/support/child.ts";
import { checkHealth } from "#test/support/health-client.ts";
import { findOldestNode, oldestNodeVersion } from "../components/oldest-node.ts";

/** A folder laid out like the installed package. */
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "pointsman-dist-"));
  const { status, stdout } = spawnSync(
    path.join("node_modules", ".bin", "tsc"),
    ["-p", "tsconfig.build.json", "--outDir", path.join(folder, "dist")],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`the build failed:\n${stdout}`);
  cpSync("protos", path.join(folder, "protos"), { recursive: true });
  cpSync("package.json", path.join(folder, "package.json"));
  symlinkSync(path.resolve("node_modules"), path.join(folder, "node_modules"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("is built into JavaScript that the oldest promised Node starts", async () => {
  const node = await findOldestNode((line) => void process.stderr.write(`${line}\n`));
  expect(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout).toBe(
    `v${oldestNodeVersion()}\n`,
  );
  const main = path.join(folder, "dist", "main.js");
  expect(spawnSync(node, [main, "--help"], { encoding: "utf8" }).stdout).toMatch(/serve/);

  const serve = start(node, [
    ...[main, "serve", "--bind-address", "127.0.0.1", "--grpc-port", "0"],
    ...["--grpc-health-port", "0", "--metrics-port", "0"],
  ]);
  const sim = start(node, [main, "sim", "--port", "0", "--admin-port", "0", "--engines", "1"]);
  try {
    const { health } = JSON.parse(await serve.line(/"msg":"listening"/)) as { health: number };
    expect(await checkHealth(health, "liveness")).toBe("SERVING");
    const url = (await sim.line(/^engine-0 http/)).split(" ")[1];
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
  } finally {
    await Promise.all([serve.close(), sim.close()]);
  }
});
