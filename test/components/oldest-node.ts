import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../src/demo/envoy-binary.ts";

/** The oldest Node that package.json promises to run on. */
export function oldestNodeVersion(): string {
  const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as {
    engines: { node: string };
  };
  return engines.node.replace(">=", "");
}

/** A binary of the oldest Node, from the npm package that carries it for this platform. */
export async function findOldestNode(progress: (line: string) => void): Promise<string> {
  const version = oldestNodeVersion();
  const name = `node-${process.platform}-${process.arch}`;
  const folder = path.join(cacheFolder(process.env), `${name}-${version}`);
  const binary = path.join(folder, "node_modules", name, "bin", "node");
  if (existsSync(binary)) return binary;

  progress(`fetching Node ${version} (npm package ${name}) into ${folder}`);
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(partial, { recursive: true });
  const { status, stderr } = spawnSync(
    "npm",
    ["install", "--prefix", partial, "--no-save", "--ignore-scripts", `${name}@${version}`],
    { encoding: "utf8" },
  );
  if (status === 0) await rename(partial, folder).catch(() => undefined);
  await rm(partial, { recursive: true, force: true });
  if (!existsSync(binary)) {
    throw new Error(`could not fetch Node with "npm install ${name}@${version}":\n${stderr}`);
  }
  return binary;
}
