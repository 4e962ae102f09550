import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { atExit } from "./at-exit.ts";

/**
 * Mounts the root read-only, drops every right, and becomes the command inside. The mounts are those of
 * a namespace of its own, so nothing but this command sees them.
 */
const script = `user=$1; shift
mount --bind "$1" "$1" &&
mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && mount -o remount,bind,ro "$1" &&
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \\
chroot --userspec="$user" "$@"`;

/**
 * What the image's Dockerfile lays into `/app`, in a root folder with `node`, `sh` and their libraries
 * and nothing else: no packages, no `/tmp` and no home.
 */
export interface ImageRoot {
  readonly folder: string;
  /** The command line that runs another one in there as the image's user, the root mounted read-only. */
  command(line: readonly string[]): readonly string[];
  remove(): void;
}

export function buildImageRoot(): ImageRoot {
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-image-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  atExit(remove);
  try {
    const app = path.join(folder, "app");
    // Everybody may look into the root of an image.
    chmodSync(folder, 0o755);
    for (const name of ["app", "dev", "proc"]) {
      mkdirSync(path.join(folder, name), { recursive: true });
    }
    run("rolldown", ["-c", "rolldown.config.ts", "-d", path.join(app, "dist")]);
    for (const name of ["package.json", "LICENSE", "protos"]) {
      cpSync(name, path.join(app, name), { recursive: true });
    }
    run("sh", ["-c", entryScriptCommand()], app);
    copyPrograms(folder);
  } catch (cause) {
    remove();
    throw cause;
  }
  return {
    folder,
    command: (line) => [
      ...["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"],
      ...[imageSettings().get("USER") ?? "", folder, ...line],
    ],
    remove,
  };
}

/** What the Dockerfile says of the image itself, each instruction once. */
export function imageSettings(): ReadonlyMap<string, string> {
  const lines = readFileSync("Dockerfile", "utf8").matchAll(/^(USER|ENTRYPOINT|WORKDIR) (.*)$/gm);
  return new Map([...lines].map(([, instruction = "", value = ""]) => [instruction, value]));
}

/** The line of the Dockerfile that writes the entry point. */
function entryScriptCommand(): string {
  const line = /^RUN (printf .* > epp && chmod \d+ epp)$/m.exec(readFileSync("Dockerfile", "utf8"));
  if (line?.[1] === undefined) throw new Error("the Dockerfile writes no epp");
  return line[1];
}

function copyPrograms(folder: string): void {
  const programs = { node: process.execPath, sh: "/bin/sh" };
  const libraries = Object.values(programs).flatMap((program) =>
    [...run("ldd", [program]).matchAll(/(\/\S+) \(0x/g)].map(([, file = ""]) => [file, file]),
  );
  const copies = [
    ...libraries,
    ...Object.entries(programs).map(([name, program]) => [program, `bin/${name}`]),
  ];
  for (const [from = "", to = ""] of copies) {
    const target = path.join(folder, to);
    mkdirSync(path.dirname(target), { recursive: true });
    copyFileSync(from, target);
  }
}

function run(program: string, argv: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, argv, {
    encoding: "utf8",
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${argv.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
}
