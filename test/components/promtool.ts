import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../src/demo/envoy-binary.ts";

const hint =
  "promtool could not be had: install the Debian package prometheus, or set PROMTOOL to a promtool binary";

/** A promtool to run: the one PROMTOOL names, the installed one, or the one of Debian's package. */
export async function findPromtool(progress: (line: string) => void): Promise<string> {
  const named = process.env["PROMTOOL"];
  if (named !== undefined && named !== "") return named;
  if (spawnSync("promtool", ["--version"]).status === 0) return "promtool";
  const folder = path.join(cacheFolder(process.env), "promtool");
  const binary = path.join(folder, "usr", "bin", "promtool");
  if (existsSync(binary)) return binary;

  progress(`fetching promtool (Debian package prometheus) into ${folder}`);
  await mkdir(path.dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    download(partial);
    const archive = (await readdir(partial)).find((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new Error(hint);
    run("dpkg-deb", ["--extract", archive, "."], partial);
    await rename(partial, folder).catch(() => undefined);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  if (!existsSync(binary)) throw new Error(hint);
  return binary;
}

/** `apt-get download` needs package lists, which a new machine may lack. */
function download(folder: string): void {
  const argv = ["download", "--quiet", "prometheus"];
  if (spawnSync("apt-get", argv, { cwd: folder }).status === 0) return;
  run("apt-get", ["update", "--quiet"], folder);
  run("apt-get", argv, folder);
}

function run(program: string, argv: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(program, argv, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${hint}\n${program}: ${error?.message ?? stderr}`);
}
