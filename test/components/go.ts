import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { cachedFolder, cachedFolderOf } from "./cached-folder.ts";

type Progress = (line: string) => void;

/** Milliseconds between two lines of a build, which is silent for minutes by itself. */
const progressEveryMs = 20_000;

interface GoBinary {
  readonly name: string;
  readonly version: string;
  /** The variable of the environment that names another binary. */
  readonly variable: string;
  /** The way past Go, for a machine without it. */
  readonly otherwise: string;
  /** How long the first time takes, for people. */
  readonly takes: string;
  /** What `go` is to do to leave the binary in `folder`, and where. */
  command(folder: string): GoCommand;
}

interface GoCommand {
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What `go build` is told of a program that nobody will debug. */
export const buildFlags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];

/** The binary that `variable` names, or one built from the Go module proxy once and cached outside the checkout. */
export async function findGoBinary(wanted: GoBinary, progress: Progress): Promise<string> {
  const { name, version, variable } = wanted;
  const named = process.env[variable] ?? "";
  if (named !== "") return named;
  const folder = await cachedFolder(`${name}-${version}`, async (partial) => {
    requireGo(`${name} ${version}`, `, ${wanted.otherwise}`);
    const target = cachedFolderOf(`${name}-${version}`);
    progress(`building ${name} ${version} into ${target}; the first time takes ${wanted.takes}`);
    await build(name, wanted.command(partial), progress);
  });
  return path.join(folder, name);
}

/** The folder of a module's files in Go's own module cache, fetched where it is not there yet. */
export async function moduleFolder(module: string, progress: Progress): Promise<string> {
  requireGo(module);
  const cached = downloaded(module, { GOPROXY: "off" });
  if (cached.kind === "there") return cached.folder;
  progress(`fetching the Go module ${module}`);
  const fetched = downloaded(module, {});
  if (fetched.kind === "there") return fetched.folder;
  throw new Error(`could not fetch the Go module ${module}: ${fetched.reason}`);
}

type Download =
  | { readonly kind: "there"; readonly folder: string }
  | { readonly kind: "failed"; readonly reason: string };

function downloaded(module: string, env: Readonly<Record<string, string>>): Download {
  const { stdout, stderr } = spawnSync("go", ["mod", "download", "-json", module], {
    encoding: "utf8",
    env: { ...process.env, GOWORK: "off", ...env },
  });
  // The fields are those that `go help mod download` lists.
  const { Dir, Error: reason } = JSON.parse(stdout || "{}") as { Dir?: string; Error?: string };
  return Dir === undefined
    ? { kind: "failed", reason: reason ?? stderr }
    : { kind: "there", folder: Dir };
}

function requireGo(what: string, otherwise = ""): void {
  if (spawnSync("go", ["version"]).status === 0) return;
  throw new Error(
    `${what} comes from the Go module proxy, and there is no go on the path: ` +
      `install Go 1.26 or later${otherwise}`,
  );
}

function build(name: string, { argv, cwd, env }: GoCommand, progress: Progress): Promise<void> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn("go", argv, {
      stdio: ["ignore", "ignore", "pipe"],
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, GOWORK: "off", CGO_ENABLED: "0", ...env },
    });
    let modules = 0;
    let packages = 0;
    let lastWords = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      lastWords = `${lastWords}${text}`.slice(-2_000);
      const lines = text.split("\n").filter((line) => line !== "");
      const downloads = lines.filter((line) => line.startsWith("go: downloading")).length;
      modules += downloads;
      packages += lines.length - downloads;
    });
    const seconds = () => Math.round((performance.now() - startMs) / 1_000);
    const timer = setInterval(() => {
      progress(
        `building ${name}: ${seconds()} s, ${modules} modules fetched, ${packages} packages compiled`,
      );
    }, progressEveryMs);
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(timer);
      if (code !== 0) return reject(new Error(`go ${argv.join(" ")} failed:\n${lastWords}`));
      progress(`built ${name} in ${seconds()} s`);
      resolve();
    });
  });
}
